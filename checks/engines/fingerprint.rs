//! The name of a state in the search: 64 bits, or 128.

use std::fmt::Debug;
use std::hash::Hash;
use std::io::{self, Read, Write};

use super::timely::Space;

/// What stands for a state. Never [`Fingerprint::NONE`].
pub trait Fingerprint: Copy + Debug + Default + Ord + Hash + Send + Sync + 'static {
    /// The parent of a state that has none; the mark of an empty slot.
    const NONE: Self;
    /// How many bits there are.
    const BITS: u32;

    /// The fingerprint of `state`.
    fn of<S: Space>(space: &S, state: &S::State) -> Self;

    /// The same for the name of a kin, see [`Covering::kin`](super::covering::Covering::kin).
    fn of_kin(kin: u128) -> Self;

    /// Its first 64 bits, in the order of the numbers.
    fn top(self) -> u64;

    /// Its last bits, which say nothing about the first.
    fn bottom(self) -> u64;

    /// Appends its bytes.
    fn write(self, out: &mut Vec<u8>);

    /// Reads it off the front of `bytes`.
    fn read(bytes: &mut &[u8]) -> Option<Self>;

    /// Itself, unless it is [`Fingerprint::NONE`].
    fn some(self) -> Option<Self> {
        (self != Self::NONE).then_some(self)
    }

    /// Writes its bytes.
    ///
    /// # Errors
    /// Those of `out`.
    fn save(self, out: &mut impl Write) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(size_of::<Self>());
        self.write(&mut bytes);
        out.write_all(&bytes)
    }

    /// Reads what was saved.
    ///
    /// # Errors
    /// Those of `from`.
    fn load(from: &mut impl Read) -> io::Result<Self> {
        let mut bytes = [0; 16];
        let bytes = &mut bytes[..size_of::<Self>()];
        from.read_exact(bytes)?;
        Self::read(&mut &*bytes).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }
}

impl Fingerprint for u64 {
    const NONE: u64 = 0;
    const BITS: u32 = 64;

    fn of<S: Space>(space: &S, state: &S::State) -> u64 {
        mix(space.fingerprint(state)).max(1)
    }

    fn of_kin(kin: u128) -> u64 {
        mix(kin as u64).max(1)
    }

    fn top(self) -> u64 {
        self
    }

    fn bottom(self) -> u64 {
        self
    }

    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }

    fn read(bytes: &mut &[u8]) -> Option<u64> {
        let (first, rest) = bytes.split_first_chunk()?;
        *bytes = rest;
        Some(u64::from_le_bytes(*first))
    }
}

impl Fingerprint for u128 {
    const NONE: u128 = 0;
    const BITS: u32 = 128;

    fn of<S: Space>(space: &S, state: &S::State) -> u128 {
        u128::of_kin(space.wide_fingerprint(state))
    }

    fn of_kin(wide: u128) -> u128 {
        let (first, second) = (mix(wide as u64), mix((wide >> 64) as u64));
        (u128::from(first) << 64 | u128::from(second)).max(1)
    }

    fn top(self) -> u64 {
        (self >> 64) as u64
    }

    fn bottom(self) -> u64 {
        self as u64
    }

    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_le_bytes());
    }

    fn read(bytes: &mut &[u8]) -> Option<u128> {
        let (first, rest) = bytes.split_first_chunk()?;
        *bytes = rest;
        Some(u128::from_le_bytes(*first))
    }
}

/// A permutation of the 64-bit numbers (the finalizer of MurmurHash3): the smallest of several
/// sums is seldom a large number, and tables and workers want all numbers alike.
fn mix(mut number: u64) -> u64 {
    number ^= number >> 33;
    number = number.wrapping_mul(0xff51_afd7_ed55_8ccd);
    number ^= number >> 33;
    number = number.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    number ^ number >> 33
}

//! Truths that depend on other truths: circuits of gates, in which equal parts are one.

use std::ops::Not;

use rustc_hash::FxHashMap;

/// A truth of a [`Circuit`]: what comes out of one of its gates, or the contrary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Bit(u32);

impl Bit {
    /// What holds.
    pub const TRUE: Bit = Bit(0);
    /// What does not.
    pub const FALSE: Bit = Bit(1);

    /// The number of its gate.
    pub fn gate(self) -> usize {
        (self.0 >> 1) as usize
    }

    /// Whether it is the contrary of what comes out of its gate.
    pub fn is_contrary(self) -> bool {
        self.0 & 1 == 1
    }
}

impl Not for Bit {
    type Output = Bit;

    fn not(self) -> Bit {
        Bit(self.0 ^ 1)
    }
}

impl From<bool> for Bit {
    fn from(truth: bool) -> Bit {
        if truth { Bit::TRUE } else { Bit::FALSE }
    }
}

/// What a gate makes of what goes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Junction {
    /// True, always: the first gate, and no other.
    True,
    /// One or the other: nothing is known.
    Unknown,
    /// Whether all of these hold.
    All(Vec<Bit>),
}

/// Gates, each made of earlier ones.
#[derive(Clone, Debug)]
pub struct Circuit {
    gates: Vec<Junction>,
    known: FxHashMap<Vec<Bit>, Bit>,
}

impl Default for Circuit {
    fn default() -> Circuit {
        Circuit { gates: vec![Junction::True], known: FxHashMap::default() }
    }
}

impl Circuit {
    /// All gates, by their numbers.
    pub fn gates(&self) -> &[Junction] {
        &self.gates
    }

    /// What comes out of the gate of this number.
    pub fn bit(&self, number: usize) -> Bit {
        Bit((number as u32) << 1)
    }

    /// A truth of which nothing is known.
    pub fn unknown(&mut self) -> Bit {
        self.gate(Junction::Unknown)
    }

    fn gate(&mut self, gate: Junction) -> Bit {
        let number = self.gates.len() as u32;
        self.gates.push(gate);
        Bit(number << 1)
    }

    /// Whether all hold.
    pub fn all(&mut self, parts: impl IntoIterator<Item = Bit>) -> Bit {
        let mut parts: Vec<Bit> = parts.into_iter().filter(|&part| part != Bit::TRUE).collect();
        parts.sort_unstable();
        parts.dedup();
        // A gate and its contrary stand side by side.
        if parts.contains(&Bit::FALSE) || parts.windows(2).any(|two| two[0] == !two[1]) {
            return Bit::FALSE;
        }
        match parts[..] {
            [] => Bit::TRUE,
            [part] => part,
            _ => match self.known.get(&parts) {
                Some(&known) => known,
                None => {
                    let bit = self.gate(Junction::All(parts.clone()));
                    self.known.insert(parts, bit);
                    bit
                }
            },
        }
    }

    /// Whether one holds at least.
    pub fn one(&mut self, parts: impl IntoIterator<Item = Bit>) -> Bit {
        !self.all(parts.into_iter().map(|part| !part))
    }

    /// `then` where `condition` holds, elsewhere `other`.
    pub fn either(&mut self, condition: Bit, then: Bit, other: Bit) -> Bit {
        if then == other {
            return then;
        }
        let then = self.all([condition, then]);
        let other = self.all([!condition, other]);
        self.one([then, other])
    }

    /// What comes out of every gate, where `unknown` says it of those of which nothing is known.
    pub fn values(&self, unknown: impl Fn(Bit) -> bool) -> Values {
        let mut values = Values(Vec::with_capacity(self.gates.len()));
        for (number, gate) in self.gates.iter().enumerate() {
            let value = match gate {
                Junction::True => true,
                Junction::Unknown => unknown(self.bit(number)),
                Junction::All(parts) => parts.iter().all(|&part| values.of(part)),
            };
            values.0.push(value);
        }
        values
    }
}

/// What comes out of the gates of a circuit.
#[derive(Clone, Debug)]
pub struct Values(Vec<bool>);

impl Values {
    /// Whether it holds.
    pub fn of(&self, bit: Bit) -> bool {
        self.0[bit.gate()] != bit.is_contrary()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_parts_are_one_and_what_is_known_is_left_out() {
        let mut circuit = Circuit::default();
        let (a, b) = (circuit.unknown(), circuit.unknown());
        let both = circuit.all([a, b]);
        assert_eq!(circuit.all([b, Bit::TRUE, a, b]), both);
        assert_eq!(circuit.all([both, !both]), Bit::FALSE);
        assert_eq!(circuit.all([a, Bit::FALSE]), Bit::FALSE);
        assert_eq!(circuit.one([a, !a]), Bit::TRUE);
        assert_eq!(circuit.one([]), Bit::FALSE);
        assert_eq!(circuit.either(a, b, b), b);
        assert_eq!(circuit.gates().len(), 4);
    }

    #[test]
    fn a_circuit_is_what_it_is_made_of() {
        let mut circuit = Circuit::default();
        let [a, b, c] = std::array::from_fn(|_| circuit.unknown());
        let either = circuit.either(a, b, c);
        let none = !circuit.one([a, b, c]);
        for truths in 0..8 {
            let [x, y, z] = [1, 2, 4].map(|mask| truths & mask != 0);
            let values = circuit.values(|bit| [x, y, z][bit.gate() - 1]);
            assert_eq!(values.of(either), if x { y } else { z });
            assert_eq!(values.of(none), truths == 0);
        }
    }
}

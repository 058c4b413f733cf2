//! Parcels as bytes, in postcard's layout: that of wire version 3.

use crate::runtime::std;

use std::string::ToString;
use std::vec::Vec;

use crate::driver::PeerParcel;
use crate::runtime::transport::ParcelRefused;

/// The parcel as bytes.
pub(super) fn encode(parcel: &PeerParcel) -> Option<Vec<u8>> {
    // It has nothing that cannot be put into bytes.
    postcard::to_allocvec(parcel).ok()
}

/// The parcel that `bytes` are, all of them.
///
/// # Errors
/// When they are none.
pub(super) fn decode(bytes: &[u8]) -> Result<PeerParcel, ParcelRefused> {
    match postcard::take_from_bytes(bytes) {
        Ok((parcel, [])) => Ok(parcel),
        Ok((_, [_, ..])) => Err(ParcelRefused::Garbage("something stands behind it".to_string())),
        Err(error) => Err(ParcelRefused::Garbage(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::driver::{Ask, IMAGE_PART, ImageName, ImagePart};
    use crate::figure2::Base;
    use crate::runtime::transport::MAX_PARCEL;
    use std::vec;

    const IMAGE: ImageName =
        ImageName { base: Base { last_index: 70_000, last_term: 299 }, number: 129 };

    fn ask(has: Option<ImageName>) -> PeerParcel {
        let (run, stream, at_least, offset, window) = (300, 2, 69_000, 128, 65_536);
        PeerParcel::Ask(Ask { run, stream, at_least, has, offset, window })
    }

    fn part(bytes: &[u8]) -> PeerParcel {
        let bytes = bytes.into();
        PeerParcel::Part(ImagePart { stream: 300, image: IMAGE, length: 200, offset: 128, bytes })
    }

    /// The layout is a promise to nodes of other builds: a change needs a new wire version.
    #[test]
    fn the_layout_of_version_3_is_pinned() {
        let cases: [(PeerParcel, &[u8]); 5] = [
            (ask(None), &[0, 172, 2, 2, 136, 155, 4, 0, 128, 1, 128, 128, 4]),
            (
                ask(Some(IMAGE)),
                &[0, 172, 2, 2, 136, 155, 4, 1, 240, 162, 4, 171, 2, 129, 1, 128, 1, 128, 128, 4],
            ),
            (
                part(b"abc"),
                &[1, 172, 2, 240, 162, 4, 171, 2, 129, 1, 200, 1, 128, 1, 3, b'a', b'b', b'c'],
            ),
            (PeerParcel::NoImage { stream: 300 }, &[2, 172, 2]),
            (PeerParcel::Digest { index: 8192, digest: 300 }, &[3, 128, 64, 172, 2]),
        ];
        for (parcel, bytes) in cases {
            assert_eq!(encode(&parcel).unwrap(), bytes, "{parcel:?}");
            assert_eq!(decode(bytes), Ok(parcel));
        }
    }

    #[test]
    fn the_largest_part_fits_into_a_parcel() {
        let base = Base { last_index: u64::MAX, last_term: u64::MAX };
        let largest = ImagePart {
            stream: u32::MAX,
            image: ImageName { base, number: u64::MAX },
            length: u64::MAX,
            offset: u64::MAX,
            bytes: vec![0; IMAGE_PART],
        };
        assert!(encode(&PeerParcel::Part(largest)).unwrap().len() <= MAX_PARCEL);
    }

    #[test]
    fn what_is_no_parcel_is_refused_and_costs_nothing() {
        let bytes = encode(&part(b"abc")).unwrap();
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length]).is_err(), "{length}");
        }
        let longer = [&bytes[..], b"x"].concat();
        let garbage: [&[u8]; 4] = [&longer, b"\x04", b"\xff\xff\xff\xff\xff\xff", b""];
        for bytes in garbage {
            assert!(matches!(decode(bytes), Err(ParcelRefused::Garbage(_))), "{bytes:?}");
        }
        // It says that it has 2^62 bytes.
        let mut bomb = bytes[..13].to_vec();
        bomb.extend([128, 128, 128, 128, 128, 128, 128, 128, 64]);
        assert!(decode(&bomb).is_err());
    }
}

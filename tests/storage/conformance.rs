//! What every storage owes, asked of each that comes with the library.

use veraft::figure2::{Base, Persistent, Record, ServerId};
use veraft::runtime::{
    DiskStorage, ImageFile, ImageName, ImageStage, Images, MemoryDisk, Notes, Storage,
    StorageError, StoredImage, UnfinishedImage,
};

use super::{append, ballot};

/// Where a storage is opened, again and again.
trait Place {
    type Storage: Storage;

    fn open(&self) -> Result<Self::Storage, StorageError>;

    /// What a storage that is opened now has to tell.
    fn reopened(&self) -> (Persistent, Notes) {
        let mut storage = self.open().unwrap();
        (storage.load().unwrap(), storage.notes().unwrap())
    }
}

impl Place for MemoryDisk {
    type Storage = veraft::runtime::MemoryStorage;

    fn open(&self) -> Result<Self::Storage, StorageError> {
        MemoryDisk::open(self)
    }
}

impl Place for tempfile::TempDir {
    type Storage = DiskStorage;

    fn open(&self) -> Result<DiskStorage, StorageError> {
        DiskStorage::open(self.path())
    }
}

/// The same through a pointer, as an application may hold it that chooses at its start.
struct Boxed<P>(P);

impl<P: Place> Place for Boxed<P> {
    type Storage = Box<dyn Storage>;

    fn open(&self) -> Result<Box<dyn Storage>, StorageError> {
        Ok(Box::new(self.0.open()?))
    }
}

macro_rules! demands {
    ($($demand:ident)*) => {
        mod memory {
            $(#[test] fn $demand() { super::$demand(&super::MemoryDisk::new()); })*
        }
        mod disk {
            $(#[test] fn $demand() { super::$demand(&tempfile::tempdir().unwrap()); })*
        }
        mod boxed_memory {
            $(#[test] fn $demand() {
                super::$demand(&super::Boxed(super::MemoryDisk::new()));
            })*
        }
        mod boxed_disk {
            $(#[test] fn $demand() {
                super::$demand(&super::Boxed(tempfile::tempdir().unwrap()));
            })*
        }
    };
}

demands! {
    a_new_place_is_empty
    records_come_back_folded_and_unsynced_ones_do_not
    records_can_be_added_after_a_new_start
    long_logs_are_cut_anywhere
    a_log_begins_at_its_base_and_keeps_what_follows_the_bases_own_entry
    a_base_that_the_log_does_not_hold_drops_all_of_it
    a_log_is_compacted_again_and_again
    a_finished_image_survives_and_one_that_was_being_written_does_not
    what_was_received_and_synced_of_an_image_can_be_gone_on_with
    an_image_takes_the_place_of_one_of_its_name
    an_image_is_read_anywhere_and_to_its_end_when_it_is_removed_meanwhile
    images_that_are_not_there_are_errors_and_nothing_to_remove
    notes_come_back_once_synced
    an_empty_note_removes_the_one_of_its_name
    records_and_notes_become_durable_together
    a_second_opener_is_refused_until_the_first_is_gone
}

fn notes(notes: &[(&str, &str)]) -> Notes {
    notes.iter().map(|&(name, value)| (name.into(), value.into())).collect()
}

fn a_new_place_is_empty(place: &impl Place) {
    for _ in 0..2 {
        assert_eq!(place.reopened(), (Persistent::default(), Notes::new()));
    }
}

fn records_come_back_folded_and_unsynced_ones_do_not(place: &impl Place) {
    let synced = [
        ballot(1),
        append(1, &["a", "b", "", "d"]),
        Record::Truncate { last_index: 2 },
        Record::Ballot { current_term: 3, voted_for: Some(ServerId(2)) },
        append(3, &["e"]),
        append(3, &[]),
    ];
    let mut storage = place.open().unwrap();
    storage.load().unwrap();
    storage.append(&synced[..2]).unwrap();
    storage.sync().unwrap();
    storage.append(&synced[2..4]).unwrap();
    storage.append(&synced[4..]).unwrap();
    storage.sync().unwrap();
    storage.sync().unwrap();
    storage.append(&[append(3, &["lost"]), Record::Truncate { last_index: 0 }]).unwrap();
    drop(storage);
    assert_eq!(place.reopened().0, synced.into_iter().collect());
}

fn records_can_be_added_after_a_new_start(place: &impl Place) {
    let mut expected = Persistent::default();
    for term in 1..=4 {
        let mut storage = place.open().unwrap();
        assert_eq!(storage.load().unwrap(), expected);
        for record in [ballot(term), append(term, &["x", "y", "z"])] {
            storage.append(std::slice::from_ref(&record)).unwrap();
            expected.write(record);
        }
        storage.sync().unwrap();
    }
    assert_eq!(place.reopened().0, expected);
}

fn long_logs_are_cut_anywhere(place: &impl Place) {
    let commands: Vec<String> = (1..=1000).map(|number| number.to_string()).collect();
    let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    let mut expected = Persistent::default();
    for last_index in [1000, 999, 768, 700, 257, 256, 255, 1, 0] {
        let records = [
            ballot(2),
            Record::Truncate { last_index: 0 },
            append(1, &commands),
            Record::Truncate { last_index },
            append(2, &["x", "y"]),
        ];
        let mut storage = place.open().unwrap();
        storage.load().unwrap();
        storage.append(&records).unwrap();
        storage.sync().unwrap();
        drop(storage);
        records.into_iter().for_each(|record| expected.write(record));
        assert_eq!(place.reopened().0, expected, "cut after {last_index}");
    }
}

fn base(last_index: u64, last_term: u64) -> Record {
    Record::Base(Base { last_index, last_term })
}

/// Wherever it stands in what was appended as one.
fn a_log_begins_at_its_base_and_keeps_what_follows_the_bases_own_entry(place: &impl Place) {
    let commands: Vec<String> = (1..=600).map(|number| number.to_string()).collect();
    let commands: Vec<&str> = commands.iter().map(String::as_str).collect();
    let mut storage = place.open().unwrap();
    let mut expected = storage.load().unwrap();
    let mut write = |storage: &mut dyn Storage, records: &[Record]| {
        storage.append(records).unwrap();
        storage.sync().unwrap();
        records.iter().for_each(|record| expected.write(record.clone()));
        expected.clone()
    };
    write(&mut storage, &[ballot(3), append(1, &commands), append(2, &["x", "y"])]);
    drop(storage);
    for last_index in [1, 2, 255, 256, 257, 300, 599, 600, 601, 602] {
        let mut storage = place.open().unwrap();
        storage.load().unwrap();
        let last_term = if last_index <= 600 { 1 } else { 2 };
        let expected = write(&mut storage, &[base(last_index, last_term)]);
        assert_eq!(expected.log().entries().len() as u64, 602 - last_index);
        drop(storage);
        assert_eq!(place.reopened().0, expected, "behind {last_index}");
    }
    let mut storage = place.open().unwrap();
    storage.load().unwrap();
    let more = [append(2, &["more"]), append(3, &["and", "more"])];
    let expected = write(&mut storage, &more);
    drop(storage);
    assert_eq!(place.reopened().0, expected);
    // Back to the base, but no further.
    let mut storage = place.open().unwrap();
    storage.load().unwrap();
    let cut = [Record::Truncate { last_index: 602 }, append(3, &["other"])];
    let expected = write(&mut storage, &cut);
    drop(storage);
    assert_eq!((place.reopened().0, expected.log().first_index()), (expected, 603));
}

/// Also what stands behind it, and what was compacted before and is not gone yet.
fn a_base_that_the_log_does_not_hold_drops_all_of_it(place: &impl Place) {
    let commands = ["x"; 300];
    let mut expected = Persistent::default();
    let mut term = 0;
    // From the base before: within the log, at its end, right behind it, and far behind.
    for (behind, other_term) in [(100, true), (300, true), (301, false), (5000, false)] {
        let begin = expected.log().base().last_index;
        term += 2;
        let records = [
            ballot(term),
            Record::Truncate { last_index: begin },
            append(term - 1, &commands),
            base(begin + 20, term - 1),
            base(begin + behind, if other_term { term } else { term - 1 }),
            append(term, &["behind it"]),
        ];
        let mut storage = place.open().unwrap();
        assert_eq!(storage.load().unwrap(), expected);
        storage.append(&records).unwrap();
        storage.sync().unwrap();
        drop(storage);
        records.into_iter().for_each(|record| expected.write(record));
        assert_eq!(expected.log().entries().len(), 1, "at {behind}");
        assert_eq!(place.reopened().0, expected, "at {behind}");
    }
}

/// One entry at a time, so that there is as much to compact as can be.
fn a_log_is_compacted_again_and_again(place: &impl Place) {
    let mut storage = place.open().unwrap();
    let mut expected = storage.load().unwrap();
    for number in 1..=3000 {
        let mut records = vec![append(1, &["one"])];
        if number == 1 {
            records.insert(0, ballot(1));
        }
        if number % 700 == 0 {
            records.push(base(number - 100, 1));
        }
        storage.append(&records).unwrap();
        if number % 50 == 0 {
            storage.sync().unwrap();
        }
        records.into_iter().for_each(|record| expected.write(record));
        if number % 1000 == 0 {
            drop(storage);
            storage = place.open().unwrap();
            assert_eq!(storage.load().unwrap(), expected, "after {number}");
        }
    }
    drop(storage);
    assert_eq!(place.reopened().0, expected);
}

fn name(last_index: u64, number: u64) -> ImageName {
    ImageName { base: Base { last_index, last_term: 2 }, number }
}

fn begin(images: &dyn Images, name: ImageName, stage: ImageStage, bytes: &[u8]) -> Unfinished {
    let mut image = images.create(name, stage).unwrap();
    let (first, second) = bytes.split_at(bytes.len() / 2);
    image.append(first).unwrap();
    image.append(second).unwrap();
    assert_eq!(image.bytes(), bytes.len() as u64);
    image
}

type Unfinished = Box<dyn UnfinishedImage>;

fn content(image: &mut dyn ImageFile) -> Vec<u8> {
    let mut bytes = vec![0; image.bytes() as usize + 1];
    let count = image.read_at(0, &mut bytes).unwrap();
    assert_eq!(count as u64, image.bytes());
    bytes.truncate(count);
    bytes
}

fn stored(name: ImageName, stage: ImageStage, bytes: u64) -> StoredImage {
    StoredImage { name, stage, bytes }
}

fn a_finished_image_survives_and_one_that_was_being_written_does_not(place: &impl Place) {
    let storage = place.open().unwrap();
    let images = storage.images().unwrap();
    assert_eq!(images.list().unwrap(), []);
    begin(&*images, name(7, 1), ImageStage::Written, b"seven").finish().unwrap();
    begin(&*images, name(12, 9), ImageStage::Received, b"twelve").finish().unwrap();
    begin(&*images, name(7, 0), ImageStage::Written, b"another").finish().unwrap();
    let mut lost = begin(&*images, name(13, 1), ImageStage::Written, b"thirteen");
    lost.sync().unwrap();
    drop((lost, images, storage));

    let storage = place.open().unwrap();
    let images = storage.images().unwrap();
    let finished = |name, bytes| stored(name, ImageStage::Finished, bytes);
    let expected = [finished(name(7, 0), 7), finished(name(7, 1), 5), finished(name(12, 9), 6)];
    assert_eq!(images.list().unwrap(), expected);
    assert_eq!(content(&mut *images.open(name(7, 1)).unwrap()), b"seven");
    assert_eq!(content(&mut *images.open(name(12, 9)).unwrap()), b"twelve");
    images.remove(name(7, 1), ImageStage::Finished).unwrap();
    drop((images, storage));
    let images = place.open().unwrap();
    let images = images.images().unwrap();
    assert_eq!(images.list().unwrap(), [expected[0], expected[2]]);
}

fn what_was_received_and_synced_of_an_image_can_be_gone_on_with(place: &impl Place) {
    let storage = place.open().unwrap();
    let images = storage.images().unwrap();
    let mut begun = begin(&*images, name(7, 1), ImageStage::Received, b"seve");
    begun.sync().unwrap();
    begun.append(b"x").unwrap();
    drop((begun, images, storage));

    let storage = place.open().unwrap();
    let images = storage.images().unwrap();
    assert_eq!(images.list().unwrap()[0].stage, ImageStage::Received);
    assert!(images.open(name(7, 1)).is_err(), "it is not finished");
    let mut image = images.resume(name(7, 1)).unwrap();
    assert!(b"sevex".starts_with(&content(&mut *image)) && image.bytes() >= 4);
    image.truncate(4).unwrap();
    assert_eq!(content(&mut *image), b"seve");
    image.append(b"n").unwrap();
    image.truncate(2).unwrap();
    image.append(b"ven").unwrap();
    image.finish().unwrap();
    drop((images, storage));
    let storage = place.open().unwrap();
    let images = storage.images().unwrap();
    assert_eq!(images.list().unwrap(), [stored(name(7, 1), ImageStage::Finished, 5)]);
    assert_eq!(content(&mut *images.open(name(7, 1)).unwrap()), b"seven");
}

fn an_image_takes_the_place_of_one_of_its_name(place: &impl Place) {
    let storage = place.open().unwrap();
    let images = storage.images().unwrap();
    let stages = [ImageStage::Written, ImageStage::Received, ImageStage::Written];
    for (number, stage) in (1..).zip(stages) {
        let mut abandoned = begin(&*images, name(7, 1), stage, b"abandoned");
        abandoned.sync().unwrap();
        drop(abandoned);
        let bytes = b"again ".repeat(number);
        begin(&*images, name(7, 1), stage, &bytes).finish().unwrap();
        let length = bytes.len() as u64;
        assert_eq!(images.list().unwrap(), [stored(name(7, 1), ImageStage::Finished, length)]);
        assert_eq!(content(&mut *images.open(name(7, 1)).unwrap()), bytes);
    }
    assert!(images.create(name(8, 1), ImageStage::Finished).is_err());
}

fn an_image_is_read_anywhere_and_to_its_end_when_it_is_removed_meanwhile(place: &impl Place) {
    let storage = place.open().unwrap();
    let images = storage.images().unwrap();
    let bytes: Vec<u8> = (0..100_000_u32).map(|at| (at % 251) as u8).collect();
    begin(&*images, name(7, 1), ImageStage::Written, &bytes).finish().unwrap();
    let mut image = images.open(name(7, 1)).unwrap();
    images.remove(name(7, 1), ImageStage::Finished).unwrap();
    assert_eq!(images.list().unwrap(), []);
    let mut part = [0; 1000];
    for at in [0, 99_500, 7, 60_000, 100_000, 200_000] {
        let count = image.read_at(at as u64, &mut part).unwrap();
        let expected = bytes.get(at..).unwrap_or_default();
        assert_eq!(part[..count], expected[..expected.len().min(1000)], "at {at}");
    }
}

fn images_that_are_not_there_are_errors_and_nothing_to_remove(place: &impl Place) {
    let storage = place.open().unwrap();
    let images = storage.images().unwrap();
    begin(&*images, name(7, 1), ImageStage::Written, b"seven").finish().unwrap();
    for missing in [name(7, 2), name(8, 1)] {
        assert!(images.open(missing).is_err() && images.resume(missing).is_err());
        for stage in [ImageStage::Written, ImageStage::Received, ImageStage::Finished] {
            images.remove(missing, stage).unwrap();
        }
    }
    assert!(images.resume(name(7, 1)).is_err(), "it is finished");
    images.remove(name(7, 1), ImageStage::Received).unwrap();
    assert_eq!(images.list().unwrap().len(), 1);
}

fn notes_come_back_once_synced(place: &impl Place) {
    let mut storage = place.open().unwrap();
    storage.load().unwrap();
    storage.note("who", b"I").unwrap();
    storage.note("met", b"S2").unwrap();
    storage.sync().unwrap();
    storage.note("met", b"S2, S3").unwrap();
    storage.sync().unwrap();
    storage.note("who", b"lost").unwrap();
    storage.note("new", b"lost").unwrap();
    drop(storage);
    assert_eq!(place.reopened().1, notes(&[("met", "S2, S3"), ("who", "I")]));
}

fn an_empty_note_removes_the_one_of_its_name(place: &impl Place) {
    let mut storage = place.open().unwrap();
    storage.load().unwrap();
    for name in ["first", "second", "third"] {
        storage.note(name, b"here").unwrap();
    }
    storage.sync().unwrap();
    storage.note("first", b"").unwrap();
    storage.note("never there", b"").unwrap();
    storage.note("third", b"").unwrap();
    storage.note("third", b"again").unwrap();
    storage.note("fourth", b"here").unwrap();
    storage.note("fourth", b"").unwrap();
    storage.sync().unwrap();
    storage.note("second", b"").unwrap();
    assert!(storage.notes().unwrap().values().all(|value| !value.is_empty()));
    drop(storage);
    assert_eq!(place.reopened().1, notes(&[("second", "here"), ("third", "again")]));
}

fn records_and_notes_become_durable_together(place: &impl Place) {
    let begun = |last: &str| {
        let mut storage = place.open().unwrap();
        storage.load().unwrap();
        storage.append(&[ballot(1)]).unwrap();
        storage.note("floor", &2_u64.to_le_bytes()).unwrap();
        storage.append(&[append(1, &["a", last])]).unwrap();
        storage
    };
    drop(begun("lost"));
    assert_eq!(place.reopened(), (Persistent::default(), Notes::new()));
    begun("kept").sync().unwrap();
    let expected: Persistent = [ballot(1), append(1, &["a", "kept"])].into_iter().collect();
    let floor = Notes::from([("floor".into(), 2_u64.to_le_bytes().to_vec())]);
    assert_eq!(place.reopened(), (expected, floor));
}

fn a_second_opener_is_refused_until_the_first_is_gone(place: &impl Place) {
    let first = place.open().unwrap();
    for _ in 0..2 {
        assert!(matches!(place.open(), Err(StorageError::InUse { .. })));
    }
    drop(first);
    place.open().unwrap();
}

/// Each of them after those of a sound server, whose log has two entries of term 1. A disk in
/// memory needs no such guard: it holds what it was given.
#[test]
fn records_that_no_server_writes_are_refused_by_name() {
    let sound = [ballot(1), append(1, &["a", "b"])];
    let vote = Record::Ballot { current_term: 0, voted_for: Some(ServerId(3)) };
    let emptied = Record::Truncate { last_index: 0 };
    let bad = [
        ("entry 1", vec![emptied.clone(), append(0, &["c"])]),
        ("entry 4", vec![ballot(7), append(7, &["c"]), append(6, &["d"])]),
        ("entry 3", vec![append(2, &["c"])]),
        ("the ballot", vec![emptied, vote]),
    ];
    for (expected, records) in bad {
        let place = tempfile::tempdir().unwrap();
        let mut storage = place.open().unwrap();
        storage.append(&sound).unwrap();
        storage.append(&records).unwrap();
        storage.sync().unwrap();
        drop(storage);
        match place.open().unwrap().load() {
            Err(StorageError::Damaged { position, .. }) => assert_eq!(position, expected),
            other => panic!("{expected}: {other:?}"),
        }
    }
}

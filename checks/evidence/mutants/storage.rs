//! What a storage owes: all that was synced, nothing else, and an error where that cannot be.

use super::Mutant;
use super::TestSuite::{File, Unit};
use super::places::{edit, fails_test};

const CONTENTS: &str = "src/runtime/storage/disk/contents.rs";
const FORMAT: &str = "src/runtime/storage/images/format.rs";
const IMAGES: &str = "src/runtime/machinery/images.rs";
const LOG: &str = "src/runtime/storage/disk/segments/log.rs";
const OPENING: &str = "src/runtime/storage/disk/segments/opening.rs";
const RECOVERY: &str = "src/runtime/storage/disk/segments/recovery.rs";
const REPLAY: &str = "src/runtime/storage/disk/replay.rs";
const ROOTS: &str = "src/runtime/storage/disk/older/roots.rs";
const SECTOR: &str = "src/runtime/storage/disk/segments/sector.rs";
const START: &str = "src/runtime/storage/disk/start.rs";
const STORE: &str = "src/runtime/storage/disk/store.rs";

const CUT: &str = "conformance::disk::long_logs_are_cut_anywhere";
const FOLDED: &str = "conformance::disk::records_come_back_folded_and_unsynced_ones_do_not";
const BEGUN: &str = "runtime::storage::disk::beginnings::\
                     a_first_start_is_cut_off_anywhere_and_the_next_one_works";
const MIGRATED: &str = "runtime::storage::disk::beginnings::\
                        a_power_failure_leaves_one_layout_or_the_other_whole";
const POWER: &str = "runtime::storage::disk::power_loss::\
                     nothing_acknowledged_is_lost_and_nothing_unwritten_is_found";
const KILLED: &str = "runtime::storage::disk::power_loss::\
                      what_is_found_after_a_kill_is_there_after_a_power_failure";
const LOST: &str = "runtime::storage::disk::damage::\
                    a_sector_that_reads_as_if_never_written_is_missed_but_where_the_log_ends";
const TORN: &str = "runtime::storage::disk::tearing::of_a_batch_any_sectors_are_there";

pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "lose-the-last-entry",
        alias: Some("C5"),
        rule: "store",
        about: "loses the last entry when it recovers",
        edits: &[edit(
            REPLAY,
            "Replay::fold",
            "entries: self.entries.drain(..).collect() };",
            "entries: self.entries.drain(..).rev().skip(1).rev().collect() };",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(File("storage"), FOLDED),
    },
    Mutant {
        name: "open-without-a-look",
        alias: Some("C10"),
        rule: "store",
        about: "reads sectors without a look at their checksums",
        edits: &[edit(
            SECTOR,
            "read",
            "    if head[..4] != checksum(bytes, place) {",
            "    if head[..4] != checksum(bytes, place) && bytes.is_empty() {",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(
            File("storage"),
            "damage::damage_is_a_clear_error_that_names_the_file_and_changes_nothing",
        ),
    },
    Mutant {
        name: "leave-a-tail",
        alias: Some("S1"),
        rule: "store",
        about: "keeps the tail behind a truncation",
        edits: &[edit(
            REPLAY,
            "Replay::take",
            "                self.entries.truncate(kept as usize);
",
            "                let _ = kept;
",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(File("storage"), CUT),
    },
    Mutant {
        name: "answer-before-the-sync",
        alias: Some("S3"),
        rule: "store",
        about: "writes a batch without a sync of the file",
        edits: &[edit(
            LOG,
            "Log::write",
            "        self.files.sync(&mut self.file).map_err(refused(\"sync\", &path))?;
        self.next += 1;",
            "        self.next += 1;",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(Unit, POWER),
    },
    Mutant {
        name: "keep-unsynced-records",
        alias: Some("S4"),
        rule: "store",
        about: "keeps records that were never synced",
        edits: &[edit(
            STORE,
            "<Store as Drop>::drop",
            "        let _ = self.close();",
            "        let _ = self.sync();",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(File("storage"), FOLDED),
    },
    Mutant {
        name: "believe-the-root-byte",
        alias: Some("S6"),
        rule: "store",
        about: "believes the byte of an older file that says which root counts",
        edits: &[edit(
            ROOTS,
            "left",
            "    match other <= counts {",
            "    match other <= counts || flags > 0 {",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(
            File("storage"),
            "layouts::damage_to_the_byte_that_chooses_the_root_loses_no_vote",
        ),
    },
    Mutant {
        name: "start-from-nonsense",
        alias: Some("S7"),
        rule: "store",
        about: "starts from records that no server writes",
        edits: &[edit(
            REPLAY,
            "Replay::fold",
            "        Persistent::fold(ballot.into_iter().chain(begins).chain([entries]))
            .map_err(|bad| Damage { position: place(bad), what: bad.to_string() })",
            "        let folded = ballot.into_iter().chain(begins).chain([entries]).collect();
        let _ = place;
        Ok(folded)",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(
            File("storage"),
            "conformance::records_that_no_server_writes_are_refused_by_name",
        ),
    },
    Mutant {
        name: "call-it-migrated-early",
        alias: Some("S8"),
        rule: "store",
        about: "removes an older file before what it held is elsewhere",
        edits: &[edit(
            START,
            "open",
            "        (_, Some(Older { persistent, notes, .. })) => make(files, node, persistent, notes)?,",
            "        (_, Some(Older { persistent, notes, .. })) => {
            write_text(files, node)?;
            make(files, node, persistent, notes)?;
        }",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(Unit, MIGRATED),
    },
    Mutant {
        name: "name-it-unsynced",
        alias: None,
        rule: "store",
        about: "gives a new store its name before what is in it is durable",
        edits: &[edit(STORE, "Store::make", "        store.log.sync_names()", "        Ok(())")],
        searches: &[],
        blind: &[],
        expected: fails_test(Unit, BEGUN),
    },
    Mutant {
        name: "forget-that-there-was-one",
        alias: None,
        rule: "store",
        about: "makes a new store where one is missing",
        edits: &[edit(
            START,
            "open",
            "        (Found::Text, _) => {",
            "        (Found::Text, Some(_)) => {",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(File("storage"), "damage::a_store_that_lost_its_log_is_no_new_store"),
    },
    Mutant {
        name: "take-back-the-older-file",
        alias: None,
        rule: "store",
        about: "drops an older file beside a log that was not made from it",
        edits: &[edit(
            START,
            "was_made_from",
            "    Ok(match is_same {",
            "    Ok(match is_same || older.end == End::Closed {",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(
            Unit,
            "runtime::storage::disk::beginnings::a_store_that_is_gone_or_came_back_is_never_another_one",
        ),
    },
    Mutant {
        name: "take-a-sector-anywhere",
        alias: None,
        rule: "store",
        about: "takes a sector in the place of another",
        edits: &[edit(
            SECTOR,
            "checksum",
            "Hasher::new_with_initial(place as u32)",
            "Hasher::new_with_initial(place as u32 & !63)",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(
            Unit,
            "runtime::storage::disk::damage::what_lost_its_end_or_its_order_is_refused",
        ),
    },
    Mutant {
        name: "take-the-old-for-new",
        alias: None,
        rule: "store",
        about: "takes what an earlier segment has left in a file for its own",
        edits: &[edit(
            SECTOR,
            "read",
            "        found if found == segment =>",
            "        found if found <= segment =>",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(Unit, POWER),
    },
    Mutant {
        name: "call-damage-torn",
        alias: None,
        rule: "store",
        about: "drops a batch that is not whole although later ones were begun",
        edits: &[edit(
            RECOVERY,
            "Segment::behind",
            "Sector::Written { batch, .. } if batch == next =>",
            "Sector::Written { batch, .. } if batch >= next =>",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(Unit, LOST),
    },
    Mutant {
        name: "follow-any-batch",
        alias: None,
        rule: "store",
        about: "does not ask whether a segment goes on where the one before it ends",
        edits: &[edit(
            RECOVERY,
            "Reader::begins",
            "self.next.is_none_or(|next| next == first)",
            "self.next.is_none_or(|next| next <= first)",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(
            Unit,
            "runtime::storage::disk::segments::garbage::\
             a_segment_goes_on_where_the_one_before_it_ends",
        ),
    },
    Mutant {
        name: "leave-what-is-torn",
        alias: None,
        rule: "store",
        about: "leaves on the disk what it drops",
        edits: &[edit(
            OPENING,
            "Log::settle",
            "        sectors.resize(sectors.len().max(dropped), 0);
",
            "        let _ = dropped;
",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(Unit, TORN),
    },
    Mutant {
        name: "tell-before-the-disk",
        alias: None,
        rule: "store",
        about: "tells what it finds before that is durable",
        edits: &[edit(
            OPENING,
            "Log::settle",
            "        self.files.sync(&mut self.file).map_err(refused(\"sync\", &path))",
            "        Ok(())",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(Unit, KILLED),
    },
    Mutant {
        name: "begin-without-notes",
        alias: None,
        rule: "store",
        about: "begins a segment without the notes",
        edits: &[edit(
            CONTENTS,
            "Contents::checkpoint",
            "        for (name, value) in &self.notes {",
            "        for (name, value) in self.notes.iter().skip(9) {",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(Unit, POWER),
    },
    Mutant {
        name: "give-up-what-is-needed",
        alias: None,
        rule: "store",
        about: "gives up a segment with an entry behind the base",
        edits: &[edit(
            CONTENTS,
            "Contents::landed",
            "*last <= base.last_index).is_some()",
            "*last <= base.last_index + 1).is_some()",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(Unit, POWER),
    },
    Mutant {
        name: "leave-what-is-compacted",
        alias: None,
        rule: "store",
        about: "keeps all segments",
        edits: &[edit(
            STORE,
            "Store::write",
            "        self.log.begin_at(first)",
            "        self.log.begin_at(first.min(1))",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(
            File("storage"),
            "growth::a_log_that_is_compacted_takes_as_much_as_it_did",
        ),
    },
    Mutant {
        name: "keep-what-the-base-denies",
        alias: None,
        rule: "store",
        about: "keeps the entries behind a base of another term than the entry in its place",
        edits: &[edit(
            CONTENTS,
            "Extent::holds",
            "term == base.last_term",
            "term <= base.last_term",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(
            File("storage"),
            "conformance::disk::a_base_that_the_log_does_not_hold_drops_all_of_it",
        ),
    },
    Mutant {
        name: "restore-unchecked",
        alias: None,
        rule: "store",
        about: "hands out what an image holds without a look at its checksums",
        edits: &[edit(
            FORMAT,
            "Parser::take_whole",
            "if checksum(self.name.number, self.chunks, length as u32, piece) != expected {",
            "if checksum(self.name.number, self.chunks, length as u32, piece) != expected && piece.is_empty() {",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(
            File("images"),
            "installing::a_node_that_cannot_be_restored_stops_and_says_why",
        ),
    },
    Mutant {
        name: "compact-without-an-image",
        alias: None,
        rule: "store",
        about: "lets the log begin at an image that could not be stored",
        edits: &[edit(
            IMAGES,
            "ImageDesk::write",
            "            Err(Unwritten::Storage(error)) => CompactError::Storage(Arc::new(error)),",
            "            Err(Unwritten::Storage(_)) => {
                return Some(ImageNews::Written { last_index, applied_bytes, image_bytes: 0 });
            }",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(
            File("images"),
            "compacting::while_there_is_no_room_for_an_image_the_log_is_kept_and_the_node_goes_on",
        ),
    },
    Mutant {
        name: "remove-the-image-needed",
        alias: None,
        rule: "store",
        about: "removes the image at which the log begins, once it does",
        edits: &[edit(
            IMAGES,
            "tidy",
            "ImageStage::Finished => last_index < base.last_index,",
            "ImageStage::Finished => last_index <= base.last_index,",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(
            File("images"),
            "compacting::a_node_compacts_by_hand_and_starts_from_its_image_with_the_log_behind_it",
        ),
    },
];

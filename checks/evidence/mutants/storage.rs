//! What a storage owes: all that was synced, nothing else, and an error where that cannot be.

use super::Mutant;
use super::TestSuite::{File, Unit};
use super::places::{edit, fails_test};

const STORAGE: &str = "src/runtime/storage/disk/mod.rs";
const LAYOUT: &str = "src/runtime/storage/disk/layout.rs";
const RECORDS: &str = "src/runtime/storage/disk/records.rs";
const FORMAT: &str = "src/runtime/storage/images/format.rs";
const IMAGES: &str = "src/runtime/machinery/images.rs";
const ROOTS: &str = "src/runtime/storage/disk/roots.rs";
const STORED: &str = "src/runtime/storage/disk/stored.rs";

const CUT: &str = "conformance::disk::long_logs_are_cut_anywhere";
const FOLDED: &str = "conformance::disk::records_come_back_folded_and_unsynced_ones_do_not";
const DAMAGED_BIT: &str =
    "runtime::storage::disk::damage::one_damaged_bit_loses_nothing_without_a_word";

pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "lose-the-last-entry",
        alias: Some("C5"),
        rule: "store",
        about: "loses the last entry when it recovers",
        edits: &[edit(
            LAYOUT,
            "read",
            "    let persistent = fold(read_ballot(transaction)?, base, runs)?;\n",
            "    let mut persistent = fold(read_ballot(transaction)?, base, runs)?;
    let last_index = persistent.log().last_index().saturating_sub(1).max(base.last_index);
    persistent.write(Record::Truncate { last_index });\n",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(File("storage"), FOLDED),
    },
    Mutant {
        name: "open-without-a-look",
        alias: Some("C10"),
        rule: "store",
        about: "opens a file without a look for damage",
        edits: &[edit(
            STORAGE,
            "DiskStorage::with",
            ".set_check_integrity_on_open(true)",
            ".set_check_integrity_on_open(false)",
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
        about: "leaves the tail behind a truncation on the disk",
        edits: &[edit(
            RECORDS,
            "truncate",
            "    table.retain_in(last_index + 1.., |_, _| false)?;\n",
            "",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(File("storage"), CUT),
    },
    Mutant {
        name: "truncate-between-runs",
        alias: Some("S2"),
        rule: "store",
        about: "truncates between runs of entries only",
        edits: &[edit(STORED, "cut_run", "    run.truncate(count);\n", "    let _ = count;\n")],
        searches: &[],
        blind: &[],
        expected: fails_test(File("storage"), CUT),
    },
    Mutant {
        name: "commit-without-sync",
        alias: Some("S3"),
        rule: "store",
        about: "commits without a sync of the file",
        edits: &[edit(
            STORAGE,
            "<DiskStorage as Storage>::sync",
            "            Some(transaction) => {
                transaction.commit()",
            "            Some(mut transaction) => {
                transaction
                    .set_durability(redb::Durability::None)
                    .map_err(StorageError::other)?;
                transaction.commit()",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(
            Unit,
            "runtime::storage::disk::power_loss::\
             nothing_acknowledged_is_lost_and_nothing_unwritten_is_found",
        ),
    },
    Mutant {
        name: "keep-unsynced-records",
        alias: Some("S4"),
        rule: "store",
        about: "keeps records that were never synced",
        edits: &[edit(
            STORAGE,
            "DiskStorage::within",
            "        self.transaction = Some(transaction);
        Ok(())",
            "        transaction.commit()?;
        Ok(())",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(File("storage"), FOLDED),
    },
    Mutant {
        name: "commit-in-one-phase",
        alias: Some("S5"),
        rule: "store",
        about: "commits in one phase",
        edits: &[edit(
            LAYOUT,
            "begin",
            "set_two_phase_commit(true)",
            "set_two_phase_commit(false)",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(Unit, DAMAGED_BIT),
    },
    Mutant {
        name: "believe-the-root-byte",
        alias: Some("S6"),
        rule: "store",
        about: "believes the byte that says which root counts",
        edits: &[edit(
            ROOTS,
            "settle",
            "    if other <= counts {",
            "    if other <= counts || flags > 0 {",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(Unit, DAMAGED_BIT),
    },
    Mutant {
        name: "start-from-nonsense",
        alias: Some("S7"),
        rule: "store",
        about: "starts from records that no server writes",
        edits: &[edit(
            LAYOUT,
            "fold",
            "    let folded = Persistent::fold(ballot.into_iter().chain(begins).chain(read))
        .map_err(|bad| Trouble::record(place(bad), bad))?;",
            "    let folded: Persistent = ballot.into_iter().chain(begins).chain(read).collect();
    let _ = place;",
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
        about: "calls a file migrated before its entries are",
        edits: &[edit(
            LAYOUT,
            "migrate_from_1",
            "    let transaction = begin(store)?;\n",
            "    finish(begin(store)?)?;
    let transaction = begin(store)?;\n",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(
            Unit,
            "runtime::storage::disk::migration::\
             a_power_failure_leaves_one_layout_or_the_other_whole",
        ),
    },
    Mutant {
        name: "leave-what-is-compacted",
        alias: None,
        rule: "store",
        about: "leaves the entries before a base in the file",
        edits: &[edit(
            STORAGE,
            "<DiskStorage as Storage>::append",
            "            records::bury(transaction, extent)",
            "            Ok(extent)",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(
            File("storage"),
            "growth::the_file_of_a_log_that_is_compacted_stays_as_large_as_it_was",
        ),
    },
    Mutant {
        name: "keep-what-the-base-denies",
        alias: None,
        rule: "store",
        about: "keeps the entries behind a base of another term than the entry in its place",
        edits: &[edit(
            RECORDS,
            "begin_at",
            "    match held == Some(last_term) {",
            "    match held.is_some_and(|held| held <= last_term) {",
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

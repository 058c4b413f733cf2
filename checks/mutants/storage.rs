//! What a storage owes: all that was synced, nothing else, and an error where that cannot be.

use super::Mutant;
use super::Suite::{File, Unit};
use super::places::{edit, fails_test};

const STORAGE: &str = "src/runtime/storage/disk/mod.rs";

const CUT: &str = "long_logs_are_cut_anywhere";
const FOLDED: &str = "records_come_back_folded_and_unsynced_ones_do_not";

pub const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "C5",
        rule: "store",
        about: "loses the last entry when it recovers",
        edits: &[edit(
            STORAGE,
            "        let last_index = entries.len() as Index;",
            "        entries.pop();
        let last_index = entries.len() as Index;",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(File("storage"), FOLDED),
    },
    Mutant {
        name: "C10",
        rule: "store",
        about: "opens a file without a look for damage",
        edits: &[edit(
            STORAGE,
            ".set_check_integrity_on_open(true)",
            ".set_check_integrity_on_open(false)",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(
            File("storage"),
            "damage_is_a_clear_error_that_names_the_file_and_changes_nothing",
        ),
    },
    Mutant {
        name: "S1",
        rule: "store",
        about: "leaves the tail behind a truncation on the disk",
        edits: &[edit(
            STORAGE,
            "                table.retain_in(last_index + 1.., |_, _| false)?;\n",
            "",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(File("storage"), CUT),
    },
    Mutant {
        name: "S2",
        rule: "store",
        about: "truncates between runs of entries only",
        edits: &[edit(
            STORAGE,
            "                        run.truncate((last_index + 1 - first.value()) as usize);\n",
            "",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(File("storage"), CUT),
    },
    Mutant {
        name: "S3",
        rule: "store",
        about: "commits without a sync of the file",
        edits: &[edit(
            STORAGE,
            "Some(transaction) => transaction.commit().map_err(|error| self.failed(error)),",
            "Some(mut transaction) => {
                transaction.set_durability(redb::Durability::None).map_err(StorageError::other)?;
                transaction.commit().map_err(StorageError::other)
            }",
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
        name: "S4",
        rule: "store",
        about: "keeps records that were never synced",
        edits: &[edit(
            STORAGE,
            "        self.transaction = Some(transaction);
        Ok(())",
            "        transaction.commit().map_err(StorageError::other)",
        )],
        searches: &[],
        blind: &[],
        expected: fails_test(File("storage"), FOLDED),
    },
];

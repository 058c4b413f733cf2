//! The checker.

use super::Mutant;

pub const MUTANTS: &[Mutant] = &[];

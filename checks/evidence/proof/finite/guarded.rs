//! What a part of a formula is where little is known: one of several members, each under a
//! condition.

use std::collections::BTreeMap;

use super::circuit::{Bit, Circuit};
use crate::evidence::proof::evaluate::Datum;

/// What a part of a formula may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Guarded {
    /// True or false.
    Truth(Bit),
    /// One of these members, each where its condition holds. One condition always does, and no
    /// two.
    Member(Vec<(Datum, Bit)>),
}

impl Guarded {
    /// This member.
    pub fn known(member: Datum) -> Guarded {
        Guarded::Member(vec![(member, Bit::TRUE)])
    }

    /// Any of the first `size` members, and the steps of which each says that it is at least so
    /// many. Where all are false it is the first: what a solver leaves open is 0.
    pub fn unknown(circuit: &mut Circuit, size: u64) -> (Guarded, Vec<Bit>) {
        let steps: Vec<Bit> = (1..size).map(|_| circuit.unknown()).collect();
        let reached = |member: u64| match member {
            0 => Bit::TRUE,
            _ => steps.get(member as usize - 1).copied().unwrap_or(Bit::FALSE),
        };
        let member = |member| (member, circuit.all([reached(member), !reached(member + 1)]));
        (Guarded::Member((0..size).map(member).collect()), steps)
    }

    /// The truth.
    ///
    /// # Panics
    /// When it is a member of a sort.
    pub fn truth(&self) -> Bit {
        let Guarded::Truth(bit) = self else { panic!("{self:?} is not true or false") };
        *bit
    }

    /// The members.
    ///
    /// # Panics
    /// When it is a truth.
    pub fn members(&self) -> &[(Datum, Bit)] {
        let Guarded::Member(members) = self else { panic!("{self:?} is no member of a sort") };
        members
    }

    /// The one of `choices` whose condition holds. One always does, and no two.
    pub fn chosen(circuit: &mut Circuit, choices: Vec<(Bit, Guarded)>) -> Guarded {
        if let [(Bit::TRUE, value)] = &choices[..] {
            return value.clone();
        }
        if choices.iter().all(|(_, value)| matches!(value, Guarded::Truth(_))) {
            let each: Vec<Bit> =
                choices.iter().map(|(when, value)| circuit.all([*when, value.truth()])).collect();
            return Guarded::Truth(circuit.one(each));
        }
        let mut members: BTreeMap<Datum, Vec<Bit>> = BTreeMap::new();
        for (when, value) in choices {
            for &(member, condition) in value.members() {
                members.entry(member).or_default().push(circuit.all([when, condition]));
            }
        }
        if members.len() == 1 {
            return Guarded::Member(
                members.into_keys().map(|member| (member, Bit::TRUE)).collect(),
            );
        }
        let one = |(member, conditions)| (member, circuit.one(conditions));
        let members = members.into_iter().map(one).filter(|&(_, when)| when != Bit::FALSE);
        Guarded::Member(members.collect())
    }

    /// Whether `holds` holds of the two.
    pub fn compare(
        &self,
        circuit: &mut Circuit,
        other: &Guarded,
        holds: impl Fn(Datum, Datum) -> bool,
    ) -> Bit {
        let (mut meant, mut not) = (Vec::new(), Vec::new());
        for &(a, when_a) in self.members() {
            for &(b, when_b) in other.members() {
                let both = circuit.all([when_a, when_b]);
                if holds(a, b) { &mut meant } else { &mut not }.push(both);
            }
        }
        if meant.len() <= not.len() { circuit.one(meant) } else { !circuit.one(not) }
    }
}

//! Whether a step consists of these actions: each guard holds of what the updates before it made,
//! and in the end everything is as the server behind the step has it.

use veraft::figure2::{Entry, Index, Output, Persistent, Record, Volatile};

use super::failure::{NoAction, Objection};
use super::held::{Held, Place};
use super::places::Places;
use super::plan::Planned;
use super::taken::{Concrete, Given, TakenAction};
use crate::evidence::proof::evaluate::Structure;
use crate::evidence::proof::symbols::{Subject, Symbol};

/// The actions that were taken, if those of `plan` were.
pub(super) fn verify<'a>(
    mut places: Places<'a>,
    plan: Vec<Planned<'a>>,
    held: Held<'a>,
    then: Held<'a>,
    output: &Output,
) -> Result<Vec<TakenAction>, NoAction> {
    let result = play(&mut places, &plan, held, then, output);
    let taken = || plan.iter().map(taken).collect::<Vec<_>>();
    match result {
        Ok(()) => Ok(taken()),
        Err(objection) => Err(NoAction { server: held.id, tried: taken(), objection }),
    }
}

/// What the disk will hold, record by record. A crash can fall behind any of them, so behind each
/// the disk must hold what the server does after some of the actions: then it is as if it had
/// taken those.
struct Records<'a> {
    stored: Persistent,
    left: &'a [Record],
}

impl Records<'_> {
    /// Writes those that say what the actions so far have made.
    fn write(&mut self, places: &Places<'_>) -> Result<(), Objection> {
        while let [record, left @ ..] = self.left {
            if !can_stand(&self.stored, record) {
                return Err(Objection::Records);
            }
            let mut stored = self.stored.clone();
            stored.write(record.clone());
            if !is_held(places, &stored) {
                break;
            }
            (self.stored, self.left) = (stored, left);
        }
        Ok(())
    }

    /// All are written, and say all.
    fn end(&self, places: &Places<'_>) -> Result<(), Objection> {
        match self.left.is_empty() && is_held(places, &self.stored) {
            true => Ok(()),
            false => Err(Objection::Records),
        }
    }
}

/// Whether term, vote and log are those that are `stored`.
fn is_held(places: &Places<'_>, stored: &Persistent) -> bool {
    let volatile = Volatile::default();
    let held = Held { id: places.id, persistent: stored, volatile: &volatile };
    let last_index = stored.log().last_index();
    let of_log = |place: &Place| matches!(place.symbol, Symbol::LogTerm | Symbol::LogPayload);
    let survives = |place: &Place| {
        matches!(place.symbol, Symbol::CurrentTerm | Symbol::VotedFor | Symbol::LastIndex)
            || (of_log(place) && place.args()[1] <= last_index)
    };
    let mut known = places.known().iter().filter(|(place, _)| survives(place));
    known.all(|(place, made)| places.of_disk(held, *place) == *made)
}

/// Whether a record can be written at all.
fn can_stand(stored: &Persistent, record: &Record) -> bool {
    match record {
        Record::Ballot { current_term, voted_for: _ } => *current_term >= stored.current_term(),
        Record::Truncate { last_index } => *last_index <= stored.log().last_index(),
        Record::Append { .. } => true,
        Record::Base(base) => base.last_index > stored.log().base().last_index,
    }
}

fn taken(planned: &Planned<'_>) -> TakenAction {
    let with = planned.with.iter().map(Concrete::from).collect();
    TakenAction { action: planned.action, with }
}

fn play<'a>(
    places: &mut Places<'a>,
    plan: &[Planned<'a>],
    held: Held<'a>,
    then: Held<'a>,
    output: &Output,
) -> Result<(), Objection> {
    if held.id != then.id {
        return Err(Objection::Name(then.id));
    }
    let mut applies = output.apply.iter();
    let mut records = Records { stored: held.persistent.clone(), left: &output.persist };
    records.write(places)?;
    for planned in plan {
        let Planned { action, with } = planned;
        let strange = with.iter().find_map(|given| match given {
            Given::Quorum(quorum) if !places.is_majority(quorum) => Some(quorum.clone()),
            Given::Server(_)
            | Given::Quorum(_)
            | Given::Request(..)
            | Given::Payload(_)
            | Given::Term(_)
            | Given::Index(_) => None,
        });
        if let Some(quorum) = strange {
            return Err(Objection::NoMajority { action: taken(planned), quorum });
        }
        let parameters = places.data(with);
        if !action.can_happen(places, &parameters) {
            return Err(Objection::guard(taken(planned), places, &parameters));
        }
        if action.action.name == "apply" {
            handed(places, then, applies.next())?;
        }
        let changes: Vec<Symbol> = action
            .changes()
            .filter(|symbol| matches!(symbol.kind(), Subject::Server | Subject::Letters))
            .collect();
        places.change(|places, place| {
            let changes = changes.contains(&place.symbol);
            changes.then(|| action.after(places, &parameters, place.symbol, place.args()))
        });
        records.write(places)?;
    }
    if let Some((index, _)) = applies.next() {
        return Err(Objection::Handed { index: *index, next: None });
    }
    same(places, then)?;
    records.end(places)?;
    told(places)
}

/// What the state machine was handed is the entry that the next `apply` hands it.
fn handed<'a>(
    places: &Places<'a>,
    then: Held<'a>,
    handed: Option<&(Index, Entry)>,
) -> Result<(), Objection> {
    let me = places.datum(places.id);
    let next = places.value(Symbol::LastApplied, &[me]) + 1;
    let Some((index, entry)) = handed else { return Err(Objection::NotHanded { next }) };
    // The log is that behind the step, which is compared with what the actions make of it.
    let held = then.persistent.log().get(next);
    match *index == next && held == Some(entry) {
        true => Ok(()),
        false => Err(Objection::Handed { index: *index, next: Some(next) }),
    }
}

/// What the actions made of the server is what it is.
fn same<'a>(places: &Places<'a>, then: Held<'a>) -> Result<(), Objection> {
    let last_index = then.persistent.log().last_index();
    let compared = |place: &Place| match place.args() {
        // Nothing is said of what no log reaches.
        [_, index] if matches!(place.symbol, Symbol::LogTerm | Symbol::LogPayload) => {
            *index <= last_index
        }
        // Nor of what a leader would send to a stranger.
        [_, other] if matches!(place.symbol, Symbol::NextIndex | Symbol::MatchIndex) => {
            places.server(*other).is_some_and(|server| places.is_member(server))
        }
        _ => place.symbol.kind() == Subject::Server,
    };
    let known = places.known().iter().filter(|(place, _)| compared(place));
    for (place, made) in known {
        let is = places.of(then, *place);
        if is != *made {
            return Err(Objection::differs(places, *place, *made, is));
        }
    }
    Ok(())
}

/// What was sent is what the actions sent.
fn told(places: &Places<'_>) -> Result<(), Objection> {
    for (place, owed) in &places.owed {
        let made = places.value(place.symbol, place.args());
        if made != *owed {
            return Err(Objection::differs(places, *place, made, *owed));
        }
    }
    Ok(())
}

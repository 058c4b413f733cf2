//! Whether a step consists of these actions: each guard holds of what the updates before it made,
//! and in the end everything is as the server behind the step has it.

use veraft::figure2::{Entry, Index, Output, Persistent, Record, Server};

use super::failure::{NoAction, Objection};
use super::places::{Held, Place, Places};
use super::plan::Planned;
use super::taken::{Concrete, Given, TakenAction};
use crate::evidence::proof::evaluate::Structure;
use crate::evidence::proof::symbols::{Kind, Symbol};

/// The actions that were taken, if those of `plan` were.
pub(super) fn verify<'a>(
    mut places: Places<'a>,
    plan: Vec<Planned<'a>>,
    held: Held<'a>,
    then: Held<'a>,
    apply: &[(Index, Entry)],
) -> Result<Vec<TakenAction>, NoAction> {
    let result = play(&mut places, &plan, held, then, apply);
    let taken = || plan.iter().map(taken).collect::<Vec<_>>();
    match result {
        Ok(()) => Ok(taken()),
        Err(objection) => Err(NoAction { server: held.id, tried: taken(), objection }),
    }
}

/// What the step changed of the persistent state is what its records say: so what the disk holds
/// once it has written them all is what the server has.
pub(super) fn recorded(before: &Server, output: &Output, after: &Server) -> Result<(), NoAction> {
    let mut stored = before.persistent().clone();
    let written = output.persist.iter().all(|record| {
        let stands = can_stand(&stored, record);
        if stands {
            stored.write(record.clone());
        }
        stands
    });
    match written && is_same(&stored, after.persistent()) {
        true => Ok(()),
        false => Err(NoAction {
            server: after.config().id,
            tried: Vec::new(),
            objection: Objection::Records,
        }),
    }
}

/// Whether a record can be written at all.
fn can_stand(stored: &Persistent, record: &Record) -> bool {
    match record {
        Record::Ballot { current_term, voted_for: _ } => *current_term >= stored.current_term(),
        Record::Truncate { last_index } => *last_index <= stored.log().last_index(),
        Record::Append { .. } => true,
    }
}

/// Logs share what they hold, so a long one need not be compared entry by entry.
fn is_same(one: &Persistent, other: &Persistent) -> bool {
    let logs = [one, other].map(|persistent| persistent.log().entries());
    let same = |(a, b): (&Entry, &Entry)| std::ptr::eq(a, b) || a == b;
    one.current_term() == other.current_term()
        && one.voted_for() == other.voted_for()
        && logs[0].len() == logs[1].len()
        && logs[0].iter().zip(logs[1].iter()).all(same)
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
    apply: &[(Index, Entry)],
) -> Result<(), Objection> {
    if held.id != then.id {
        return Err(Objection::Name(then.id));
    }
    let mut applies = apply.iter();
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
            .filter(|symbol| matches!(symbol.kind(), Kind::Server | Kind::Letters))
            .collect();
        places.change(|places, place| {
            let changes = changes.contains(&place.symbol);
            changes.then(|| action.after(places, &parameters, place.symbol, place.args()))
        });
    }
    if let Some((index, _)) = applies.next() {
        return Err(Objection::Handed { index: *index, next: None });
    }
    same(places, then)?;
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
    let compared = |place: &Place| match place.symbol {
        // Nothing is said of what no log reaches.
        Symbol::LogTerm | Symbol::LogPayload => place.args()[1] <= last_index,
        // Nor of what a leader would send to a stranger.
        Symbol::NextIndex | Symbol::MatchIndex => {
            places.server(place.args()[1]).is_some_and(|server| places.is_member(server))
        }
        _ => place.symbol.kind() == Kind::Server,
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

//! What the core did against what was recorded, field by field.

use veraft::figure2::Output;
use veraft::runtime::recorder::State;

use super::Discrepancy;

/// The names of fields that must be equal, each with whether they are.
type Fields<const N: usize> = [(&'static str, bool); N];

fn first_difference<const N: usize>(fields: Fields<N>) -> Option<&'static str> {
    fields.into_iter().find(|(_, equal)| !equal).map(|(name, _)| name)
}

/// Compares what a step returned.
pub fn outputs(core: &Output, recorded: &Output) -> Result<(), Discrepancy> {
    let Output { persist, send, timers, restore, apply, proposal, breach } = core;
    let differs = first_difference([
        ("persist", *persist == recorded.persist),
        ("send", *send == recorded.send),
        ("timers", *timers == recorded.timers),
        ("restore", *restore == recorded.restore),
        ("apply", *apply == recorded.apply),
        ("proposal", *proposal == recorded.proposal),
        ("breach", *breach == recorded.breach),
    ]);
    differs.map_or(Ok(()), |differs| Err(Discrepancy::OutputDiffers { differs }))
}

/// Compares the states after a step.
pub fn states(core: &State, recorded: &State) -> Result<(), Discrepancy> {
    let State { current_term, voted_for, last_log_index, last_log_term, volatile } = core;
    let differs = first_difference([
        ("current_term", *current_term == recorded.current_term),
        ("voted_for", *voted_for == recorded.voted_for),
        ("last_log_index", *last_log_index == recorded.last_log_index),
        ("last_log_term", *last_log_term == recorded.last_log_term),
        ("volatile", *volatile == recorded.volatile),
    ]);
    differs.map_or(Ok(()), |differs| Err(Discrepancy::StateDiffers { differs }))
}

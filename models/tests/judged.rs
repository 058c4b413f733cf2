//! A judge is asked about every step, restart and letter, and what it objects to is a violation
//! where it happens.

use stateright::{Checker, Model};
use veraft::figure2::{AppendOutcome, Input, Message, Output, Persistent, Server, ServerId, Term};
use veraft_models::properties::REFINEMENT;
use veraft_models::{Bounds, Cluster, Environment, Judge, Move};

/// What a judge objects to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Objects {
    Never,
    ToProposals,
    ToRestarts,
    /// From a server in this term.
    ToAcknowledgements(Term),
}

impl Judge for Objects {
    fn step(&self, before: &Server, input: &Input, _: &Output, after: &Server) -> Option<String> {
        let longer = after.log().last_index() > before.log().last_index();
        let proposed = matches!(input, Input::Propose { .. }) && longer;
        (*self == Objects::ToProposals && proposed).then(|| "a proposal".to_owned())
    }

    fn restart(&self, disk: &Persistent, after: &Server) -> Option<String> {
        assert_eq!(disk, after.persistent());
        (*self == Objects::ToRestarts).then(|| "a restart".to_owned())
    }

    fn leaving(
        &self,
        disk: &Persistent,
        server: &Server,
        letters: &[(ServerId, Message)],
    ) -> Option<String> {
        let Objects::ToAcknowledgements(term) = self else { return None };
        let acknowledges = letters.iter().any(|(_, message)| match message {
            Message::AppendEntriesReply(reply) => {
                matches!(reply.outcome, AppendOutcome::Success { match_index: 1.. })
            }
            Message::RequestVote(_)
            | Message::RequestVoteReply(_)
            | Message::AppendEntries(_)
            | Message::InstallSnapshot(_) => false,
        });
        let there = server.current_term() == *term && disk.current_term() == *term;
        (acknowledges && there).then(|| "an acknowledgement".to_owned())
    }
}

/// The last move of the shortest way to what the judge objects to, and the text that stays.
fn found(judge: &'static Objects, torn: bool) -> Option<(Move, String)> {
    let bounds = Bounds { servers: 2, terms: 1, entries: 1, restarts: 1, compactions: 0 };
    let environment = Environment { torn, ..Environment::REDUCED };
    let cluster = Cluster::new(bounds, environment).judged_by(judge).only(Some(REFINEMENT));
    let checker = cluster.checker().spawn_bfs().join();
    let path = checker.discovery(REFINEMENT)?;
    let last = path
        .last_state()
        .visible
        .nodes
        .iter()
        .find_map(|node| node.value.replica.objection.clone());
    let action = path.into_actions().pop().expect("the first state is judged by nobody");
    Some((Move::from(action), last.expect("what is violated is marked")))
}

#[test]
fn what_a_judge_objects_to_is_a_violation_where_it_happens() {
    assert_eq!(found(&Objects::Never, false), None);
    let (last, text) = found(&Objects::ToProposals, false).expect("a violation");
    assert!(matches!(last, Move::Propose { .. }), "{last}");
    assert_eq!(text, "a proposal");
    let (last, text) = found(&Objects::ToRestarts, false).expect("a violation");
    assert!(matches!(last, Move::Restart { .. }), "{last}");
    assert_eq!(text, "a restart");
}

/// Where steps are torn, an acknowledgement leaves when the disk has written what it is for.
#[test]
fn a_judge_sees_letters_when_they_leave() {
    let (last, text) = found(&Objects::ToAcknowledgements(1), false).expect("a violation");
    assert!(matches!(last, Move::Deliver(_)), "{last}");
    assert_eq!(text, "an acknowledgement");
    let (last, _) = found(&Objects::ToAcknowledgements(1), true).expect("a violation");
    assert!(matches!(last, Move::DiskWrite { .. }), "{last}");
}

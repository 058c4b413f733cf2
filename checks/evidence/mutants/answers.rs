//! What a proposal is answered.

use super::Expected::Falls;
use super::places::{RULES, edit, search};
use super::{Edit, Mutant, Search};
use veraft_models::properties::TRUE_ANSWERS;

const ASKED: &[Search] = &[search("proposals", [3, 1, 2, 0], &[])];

const fn untrue(
    name: &'static str,
    about: &'static str,
    edits: &'static [Edit],
    steps: usize,
) -> Mutant {
    Mutant {
        name,
        alias: None,
        rule: "LE.2",
        about,
        edits,
        searches: ASKED,
        blind: &[],
        expected: Falls { property: TRUE_ANSWERS, steps },
    }
}

const fn appends(before: &'static str, after: &'static str) -> Edit {
    edit(RULES, "Leading::append", before, after)
}

const fn proposes(before: &'static str, after: &'static str) -> Edit {
    edit(RULES, "Server::propose", before, after)
}

const REFUSES: &str = "None => Proposal::NotLeader { term, leader },";

pub const MUTANTS: &[Mutant] = &[
    untrue(
        "answer-the-index-before",
        "answers with the index of the entry before the accepted ones",
        &[appends(
            "Proposal::Accepted { term, first_index };",
            "Proposal::Accepted { term, first_index: first_index - 1 };",
        )],
        4,
    ),
    untrue(
        "answer-the-last-index",
        "answers with the index of the last accepted entry, not of the first",
        &[appends(
            "Proposal::Accepted { term, first_index };",
            "Proposal::Accepted {
            term,
            first_index: first_index + (payloads.len() as Index).saturating_sub(1),
        };",
        )],
        4,
    ),
    untrue(
        "answer-the-term-of-before",
        "answers with the term of the entry before the accepted ones",
        &[appends(
            "Proposal::Accepted { term, first_index };",
            "Proposal::Accepted { term: self.persistent.log().last_term(), first_index };",
        )],
        4,
    ),
    untrue(
        "reverse-a-batch",
        "appends the commands of one proposal in reverse",
        &[appends("payloads.into_iter().map", "payloads.into_iter().rev().map")],
        4,
    ),
    untrue(
        "cut-a-batch",
        "appends the first command of a proposal alone",
        &[appends("payloads.into_iter().map", "payloads.into_iter().take(1).map")],
        4,
    ),
    untrue(
        "append-the-last-twice",
        "appends the last command of a proposal of two twice",
        &[appends(
            "payloads.into_iter().map",
            "payloads.iter().chain(payloads.get(1)).cloned().map",
        )],
        4,
    ),
    untrue(
        "accept-and-refuse",
        "appends what is proposed, and refuses it",
        &[proposes(
            "Some(leading) => leading.append(payloads, output),",
            "Some(leading) => {
                let _ = leading.append(payloads, output);
                Proposal::NotLeader { term, leader }
            }",
        )],
        4,
    ),
    untrue(
        "accept-without-leading",
        "accepts what is proposed to a server that does not lead",
        &[proposes(
            REFUSES,
            "None => {
                let _ = leader;
                Proposal::Accepted { term, first_index: self.log().last_index() + 1 }
            }",
        )],
        1,
    ),
    untrue(
        "append-as-a-follower",
        "refuses as a follower, and appends what was proposed",
        &[
            proposes(
                "output.proposal = Some(match self.leading()",
                "let wishes = payloads.clone();
        output.proposal = Some(match self.leading()",
            ),
            proposes(
                REFUSES,
                "None => {
                let entries = wishes.into_iter().map(|payload| Entry { term, payload }).collect();
                self.write(Record::Append { entries }, output);
                Proposal::NotLeader { term, leader }
            }",
            ),
        ],
        1,
    ),
    untrue(
        "send-clients-to-itself",
        "names itself as the leader when it refuses and knows none",
        &[proposes(
            REFUSES,
            "None => Proposal::NotLeader { term, leader: leader.or(Some(self.config.id)) },",
        )],
        1,
    ),
    untrue(
        "send-clients-to-its-vote",
        "names the candidate that got its vote as the leader",
        &[proposes(
            REFUSES,
            "None => {
                let leader = leader.or(self.persistent.voted_for());
                Proposal::NotLeader { term, leader }
            }",
        )],
        2,
    ),
    untrue(
        "hide-the-leader",
        "names no leader when it refuses, though it knows one",
        &[proposes(
            REFUSES,
            "None => {
                let _ = leader;
                Proposal::NotLeader { term, leader: None }
            }",
        )],
        5,
    ),
    untrue(
        "refuse-in-another-term",
        "states the term before its own when it refuses",
        &[proposes(
            REFUSES,
            "None => Proposal::NotLeader { term: term.saturating_sub(1), leader },",
        )],
        2,
    ),
    untrue(
        "wait-when-asked",
        "sets its election timer when it refuses a proposal",
        &[proposes(
            REFUSES,
            "None => {
                output.timers.push(TimerDuty::Set(Timer::Election));
                Proposal::NotLeader { term, leader }
            }",
        )],
        1,
    ),
    untrue(
        "stand-when-asked",
        "stands for election when something is proposed to it and it knows no leader",
        &[proposes(
            REFUSES,
            "None => {
                if leader.is_none() && term == 0 {
                    self.election_timeout(output);
                }
                Proposal::NotLeader { term, leader }
            }",
        )],
        1,
    ),
    untrue(
        "answer-no-client",
        "does not answer who proposes to a server that does not lead",
        &[
            proposes("output.proposal = Some(match", "output.proposal = match"),
            proposes(
                "Some(leading) => leading.append(payloads, output),",
                "Some(leading) => Some(leading.append(payloads, output)),",
            ),
            proposes(
                "            None => Proposal::NotLeader { term, leader },
        });",
                "            None => {
                let _ = (term, leader);
                None
            }
        };",
            ),
        ],
        1,
    ),
];

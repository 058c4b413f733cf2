//! What no world of the invariant has, and what a world may have if a lemma is left out.

/// Something that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wild {
    /// A server votes for another that stands after it voted.
    SecondVotes,
    /// Who has led a term stands in it again.
    SecondElections,
    /// Who led a term was voted for by itself, and perhaps by no other.
    ElectedByFew,
    /// A term that nobody led has a log.
    LogsBeforeLeaders,
    /// There are entries of a term that nobody led.
    EntriesBeforeLeaders,
    /// The same, but no server has one: they are in the logs of later terms alone.
    BorrowedEntries,
    /// The log of a term begins otherwise than those that it comes from.
    OtherBeginnings,
    /// Servers vote and lead before the first term.
    TermZero,
    /// Candidates tell of logs that they do not have.
    BoastingCandidates,
    /// Votes were given to candidates that lack what was committed.
    LenientVoters,
    /// Leaders lack what was committed, whatever they told of.
    ForgetfulLeaders,
    /// Leaders do not hold what they made.
    NegligentLeaders,
}

/// Each, with the lemma that it breaks.
pub(super) const WILD: &[(Wild, &str)] = &[
    (Wild::SecondVotes, "one_vote"),
    (Wild::SecondElections, "candidate_has_not_led"),
    (Wild::ElectedByFew, "leader_elected"),
    (Wild::LogsBeforeLeaders, "no_log_before_a_leader"),
    (Wild::EntriesBeforeLeaders, "entry_from_its_term"),
    (Wild::BorrowedEntries, "term_entry_from_its_term"),
    (Wild::OtherBeginnings, "term_entries_before_too"),
    (Wild::TermZero, "numbers_from_zero"),
    (Wild::BoastingCandidates, "voter_was_asked"),
    (Wild::LenientVoters, "choosable_is_compared"),
    (Wild::ForgetfulLeaders, "choosable_is_led"),
    (Wild::NegligentLeaders, "leader_holds_its_own"),
];

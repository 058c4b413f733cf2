/* Raft's elections for SPIN: what `check run election --no-symmetry --keep-dead-letters` explores,
 * state for state. Three servers; the log is empty, so that every candidate's log is up to date.
 *
 *   spin -a -o2 -DTERMS=2 -DRESTARTS=0 elections.pml
 *   gcc -O2 -DSAFETY -DNOREDUCE -DNOFAIR -o elections pan.c && ./elections -m1000000
 *
 * -o2, for SPIN otherwise takes states for one that differ in what it finds to be dead; one process
 * leaves nothing to partial order reduction.
 *
 * A message that was sent stays and may arrive at any time, any number of times, or never. With
 * -DVOTE_TWICE a server forgets whom it voted for when it is asked again: One vote per term falls.
 */
#ifndef TERMS
#define TERMS 3 /* 1 to 3: no election starts a later one */
#endif
#ifndef RESTARTS
#define RESTARTS 2 /* 0 to 3, of all servers together */
#endif

#define NONE 0 /* nobody, where a server is named; server s is s + 1 there */
#define FOLLOWER 0
#define CANDIDATE 1
#define LEADER 2

/* What survives a crash. */
byte term[3];
byte voted_for[3];
/* What does not. */
byte role[3];
byte leader[3];
byte restarts;

/* The messages that were sent, a bit each. To both peers at once: by sender and term. */
short requests, heartbeats;
/* To one: by sender, receiver and term. */
int grants, denials, successes, stales;

#define TO_BOTH(from, t) (1 << ((from) * TERMS + (t) - 1))
#define TO_ONE(from, to, t) (1 << (((from) * 3 + (to)) * TERMS + (t) - 1))
/* The two other servers. */
#define ONE(s) (((s) + 1) % 3)
#define TWO(s) (((s) + 2) % 3)

inline follow(s, whom) {
    role[s] = FOLLOWER;
    leader[s] = whom
}

inline set_term(s, t) {
    assert(t > term[s]); /* Monotone currentTerm */
    term[s] = t;
    voted_for[s] = NONE
}

inline update_term(s, t) {
    if
    :: t > term[s] -> set_term(s, t); follow(s, NONE)
    :: else
    fi
}

inline election_timeout(s) {
    set_term(s, term[s] + 1);
    voted_for[s] = s + 1;
    role[s] = CANDIDATE;
    leader[s] = NONE;
    requests = requests | TO_BOTH(s, term[s])
}

inline become_leader(s) {
    /* Election Safety: whoever leads sends heartbeats at once, which stay. */
    assert(!(heartbeats & (TO_BOTH(ONE(s), term[s]) | TO_BOTH(TWO(s), term[s]))));
    role[s] = LEADER;
    heartbeats = heartbeats | TO_BOTH(s, term[s])
}

#ifdef VOTE_TWICE
#define MAY_VOTE(s, c) true
#else
#define MAY_VOTE(s, c) (voted_for[s] == NONE || voted_for[s] == c + 1)
#endif

inline receive_request_vote(s, c, t) {
    update_term(s, t);
    if
    :: t == term[s] && MAY_VOTE(s, c) ->
        /* One vote per term: none for the third server, nor for itself. */
        assert(!(grants & TO_ONE(s, 3 - s - c, t)) && !(requests & TO_BOTH(s, t)));
        voted_for[s] = c + 1;
        grants = grants | TO_ONE(s, c, t)
    :: else -> denials = denials | TO_ONE(s, c, term[s])
    fi
}

inline receive_vote(s, from, t) {
    update_term(s, t);
    if
    /* With its own, two of three. */
    :: t == term[s] && role[s] == CANDIDATE -> become_leader(s)
    :: else
    fi
}

inline receive_heartbeat(s, from, t) {
    update_term(s, t);
    if
    :: t < term[s] -> stales = stales | TO_ONE(s, from, term[s])
    :: else ->
        assert(role[s] != LEADER);
        follow(s, from + 1);
        successes = successes | TO_ONE(s, from, t)
    fi
}

/* All that can reach server s from another in a message of one term. */
#define HEARS(s, from, t) \
    :: d_step { requests & TO_BOTH(from, t) -> receive_request_vote(s, from, t) } \
    :: d_step { grants & TO_ONE(from, s, t) -> receive_vote(s, from, t) } \
    :: d_step { denials & TO_ONE(from, s, t) -> update_term(s, t) } \
    :: d_step { heartbeats & TO_BOTH(from, t) -> receive_heartbeat(s, from, t) } \
    :: d_step { (successes | stales) & TO_ONE(from, s, t) -> update_term(s, t) }

#if TERMS == 1
#define HEARS_ALL(s, from) HEARS(s, from, 1)
#elif TERMS == 2
#define HEARS_ALL(s, from) HEARS(s, from, 1) HEARS(s, from, 2)
#else
#define HEARS_ALL(s, from) HEARS(s, from, 1) HEARS(s, from, 2) HEARS(s, from, 3)
#endif

#define SERVER(s) \
    :: d_step { role[s] != LEADER && term[s] < TERMS -> election_timeout(s) } \
    :: d_step { restarts < RESTARTS -> restarts++; follow(s, NONE) } \
    HEARS_ALL(s, ONE(s)) \
    HEARS_ALL(s, TWO(s))

active proctype cluster() {
end:
    do
    SERVER(0)
    SERVER(1)
    SERVER(2)
    od
}

//! The judgement of a hello.

use crate::runtime::std;

use std::string::{String, ToString};
use std::vec::Vec;

use super::Registry;
use super::hello::Hello;
use super::known::{Known, Store};
use super::own::Identity;
use super::refusal::Refusal;
use crate::figure2::{ServerId, Term};

/// What came of a hello.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::runtime) struct Meeting {
    /// Whether the peer may be talked to.
    pub(in crate::runtime) verdict: Result<(), Refusal>,
    /// Whether there are notes to be written.
    pub(in crate::runtime) changed: bool,
    /// Servers of which something has been learned that their connections may contradict: they
    /// have to say hello again.
    pub(in crate::runtime) again: Vec<ServerId>,
    /// A new generation for this node itself.
    pub(in crate::runtime) adopt: Option<Adoption>,
}

/// The generation that a leader has given to this server, for its blank store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::runtime) struct Adoption {
    pub(in crate::runtime) generation: Term,
    /// The least term of a server of this generation.
    pub(in crate::runtime) term: Term,
    /// The incarnation of the cluster that awaits it.
    pub(in crate::runtime) incarnation: u64,
}

/// What a peer remembers of this node's own server, as this node sees it.
enum OfMyself {
    Right,
    Adopt(Adoption),
    /// This store is not the one that the peer remembers.
    Wrong(Refusal),
}

impl Registry {
    /// Judges what `peer` says of itself, and learns from it what it remembers of others.
    pub(in crate::runtime) fn meet(&mut self, peer: ServerId, hello: Option<&[u8]>) -> Meeting {
        let mut meeting =
            Meeting { verdict: Ok(()), changed: false, again: Vec::new(), adopt: None };
        meeting.verdict = self.judge(peer, hello, &mut meeting);
        meeting.changed = self.own_changed || self.known_changed;
        meeting
    }

    fn judge(
        &mut self,
        peer: ServerId,
        hello: Option<&[u8]>,
        meeting: &mut Meeting,
    ) -> Result<(), Refusal> {
        let Some(bytes) = hello.filter(|bytes| !bytes.is_empty()) else {
            return self.meet_version_1(peer);
        };
        let hello = Hello::read(bytes).map_err(|why| Refusal::Unreadable { peer, why })?;
        let own = self.own.server;
        if let Some(adoption) = self.awaited_elsewhere(peer, &hello) {
            meeting.adopt = Some(adoption);
            return Err(Refusal::Adopting { own });
        }
        self.is_of_this_cluster(peer, &hello.identity)?;
        let met = self.is_the_one_known(peer, &hello)?;
        match self.of_myself(hello.known.get(&own)) {
            OfMyself::Right => {}
            OfMyself::Adopt(adoption) => {
                meeting.adopt = Some(adoption);
                return Err(Refusal::Adopting { own });
            }
            // Nobody is to talk on with this node, whatever was agreed before.
            OfMyself::Wrong(refusal) if self.disown(refusal.to_string()) => {
                let others = self.own.genesis.iter().copied();
                meeting.again.extend(others.filter(|&server| server != own && server != peer));
            }
            OfMyself::Wrong(_) => {}
        }
        if let Some(why) = self.own.disowned.clone() {
            return Err(Refusal::OwnStore { own, why });
        }
        self.version_1.remove(&peer);
        self.remember(peer, met);
        for (server, theirs) in hello.known {
            if server != own && server != peer && self.own.genesis.contains(&server) {
                let merged = self.known(server).map_or(theirs, |known| known.merge(theirs));
                if self.remember(server, merged) {
                    meeting.again.push(server);
                }
            }
        }
        Ok(())
    }

    /// A peer that says nothing cannot be told from another, so it is accepted only until it
    /// has said something once: a store with an identity is none that its version can open.
    fn meet_version_1(&mut self, peer: ServerId) -> Result<(), Refusal> {
        if !self.own.genesis.contains(&peer) {
            return Err(Refusal::Stranger { peer, ours: self.own.genesis.clone() });
        }
        if self.known.contains_key(&peer) {
            return Err(Refusal::SaysNothing { peer });
        }
        self.version_1.insert(peer);
        Ok(())
    }

    /// A blank store, which has promised nothing, is of the first incarnation. Where the cluster
    /// has begun again since, from a backup, its peers await it in theirs once it is readmitted.
    fn awaited_elsewhere(&self, peer: ServerId, hello: &Hello) -> Option<Adoption> {
        let (ours, theirs) = (&self.own, &hello.identity);
        let same = (&ours.cluster, &ours.genesis) == (&theirs.cluster, &theirs.genesis)
            && theirs.server == peer
            && theirs.disowned.is_none();
        if !same || !self.blank || ours.incarnation != 0 || theirs.incarnation == 0 {
            return None;
        }
        let known = hello.known.get(&ours.server)?;
        let awaited = known.store == Store::Awaited && known.generation > ours.generation;
        awaited.then_some(Adoption {
            generation: known.generation,
            term: known.progress.term,
            incarnation: theirs.incarnation,
        })
    }

    fn is_of_this_cluster(&self, peer: ServerId, theirs: &Identity) -> Result<(), Refusal> {
        let ours = &self.own;
        let own = ours.server;
        if theirs.cluster != ours.cluster {
            let (theirs, ours) = (theirs.cluster.clone(), ours.cluster.clone());
            return Err(Refusal::Cluster { peer, own, theirs, ours });
        }
        if theirs.genesis != ours.genesis {
            let (theirs, ours) = (theirs.genesis.clone(), ours.genesis.clone());
            return Err(Refusal::Servers { peer, own, theirs, ours });
        }
        if theirs.incarnation != ours.incarnation {
            let (theirs, ours) = (theirs.incarnation, ours.incarnation);
            return Err(Refusal::Incarnation { peer, own, theirs, ours });
        }
        if theirs.server != peer {
            return Err(Refusal::OtherServer { peer, named: theirs.server });
        }
        match ours.genesis.contains(&peer) {
            true => Ok(()),
            false => Err(Refusal::Stranger { peer, ours: ours.genesis.clone() }),
        }
    }

    /// Whether this is the store that is remembered of the peer; what to remember from now on.
    fn is_the_one_known(&self, peer: ServerId, hello: &Hello) -> Result<Known, Refusal> {
        let theirs = hello.known();
        let Identity { store, born_empty, starts, run, generation, disowned, .. } = &hello.identity;
        if let Some(why) = disowned {
            return Err(Refusal::Disowned { peer, why: why.clone() });
        }
        let Some(known) = self.known(peer) else { return Ok(theirs) };
        if *generation < known.generation {
            let (theirs, known) = (*generation, known.generation);
            return Err(Refusal::Replaced { peer, theirs, known });
        }
        if *generation > known.generation {
            return Ok(theirs);
        }
        match known.store {
            Store::Disputed => return Err(Refusal::Disputed { peer }),
            Store::Awaited if !born_empty || hello.term < known.progress.term => {
                let (born_empty, known) = (*born_empty, known.progress.term);
                return Err(Refusal::NotBlank { peer, born_empty, known });
            }
            Store::Awaited => {}
            Store::Seen(seen) if *store != seen.number => {
                return Err(Refusal::OtherStore { peer });
            }
            Store::Seen(seen) if *starts < seen.starts => {
                return Err(Refusal::OldCopy { peer, theirs: *starts, known: seen.starts });
            }
            Store::Seen(seen) if *starts == seen.starts && *run != seen.run => {
                return Err(Refusal::Clone { peer, starts: *starts });
            }
            // A new start begins with everything that the earlier ones have shown.
            Store::Seen(seen) if *starts > seen.starts && hello.began < known.progress => {
                return Err(Refusal::behind(peer, hello.began, known.progress));
            }
            Store::Seen(_) => {}
        }
        Ok(Known { progress: theirs.progress.max(known.progress), ..theirs })
    }

    fn of_myself(&self, known: Option<&Known>) -> OfMyself {
        let Some(&known) = known else { return OfMyself::Right };
        let (own, peer) = (&self.own, self.own.server);
        if known.generation < own.generation {
            return OfMyself::Right;
        }
        if known.generation > own.generation {
            return match known.store {
                Store::Awaited if self.blank => OfMyself::Adopt(Adoption {
                    generation: known.generation,
                    term: known.progress.term,
                    incarnation: own.incarnation,
                }),
                Store::Awaited | Store::Seen(_) | Store::Disputed => {
                    let (theirs, known) = (own.generation, known.generation);
                    OfMyself::Wrong(Refusal::Replaced { peer, theirs, known })
                }
            };
        }
        OfMyself::Wrong(match known.store {
            Store::Awaited => return OfMyself::Right,
            Store::Disputed => Refusal::Disputed { peer },
            Store::Seen(seen) if seen.number != own.store => Refusal::OtherStore { peer },
            Store::Seen(seen) if seen.starts > own.starts => {
                Refusal::OldCopy { peer, theirs: own.starts, known: seen.starts }
            }
            Store::Seen(seen) if seen.starts == own.starts && seen.run != own.run => {
                Refusal::Clone { peer, starts: own.starts }
            }
            Store::Seen(seen) if seen.starts < own.starts && self.began < known.progress => {
                Refusal::behind(peer, self.began, known.progress)
            }
            Store::Seen(_) => return OfMyself::Right,
        })
    }

    /// This store is not the one that the cluster knows. It stays so: an old copy would
    /// otherwise catch up with the number of starts that is remembered. Whether that is new.
    fn disown(&mut self, why: String) -> bool {
        let new = self.own.disowned.is_none();
        if new {
            self.own.disowned = Some(why);
            self.own_changed = true;
        }
        new
    }

    /// Whether that was new, apart from the progress.
    fn remember(&mut self, server: ServerId, known: Known) -> bool {
        let old = self.known.insert(server, known);
        let new = old.is_none_or(|old| !old.is_same_run(known));
        self.known_changed |= old != Some(known);
        new
    }
}

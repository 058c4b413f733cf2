//! The oracle of the labs: whatever is applied, every server applies the same, in order.

use veraft::figure2::{Command, Index};
use veraft_models::properties::{applied_agrees, applied_in_turn};

use crate::failure::Violation;

/// What has been applied, anywhere.
#[derive(Debug)]
pub struct Oracle {
    /// What the first server to apply each index applied there.
    agreed: Vec<Command>,
    /// How many entries each server has applied since it started: the first ones of `agreed`.
    applied: Vec<usize>,
}

impl Oracle {
    /// Nothing has been applied on any of `servers`.
    pub fn new(servers: usize) -> Oracle {
        Oracle { agreed: Vec::new(), applied: vec![0; servers] }
    }

    /// How many entries were applied, each counted once.
    pub fn agreed(&self) -> u64 {
        self.agreed.len() as u64
    }

    /// A server starts, and applies everything again from the first entry on.
    pub fn started(&mut self, server: usize) {
        self.applied[server] = 0;
    }

    /// A server applies a command. Whether it is the first to do so at this index.
    pub fn apply(
        &mut self,
        server: usize,
        index: Index,
        command: &Command,
    ) -> Result<bool, Violation> {
        let held = self.applied[server];
        applied_in_turn(held as Index, [index])
            .map_err(|expected| Violation::AppliedOutOfTurn { server, index, expected })?;
        self.applied[server] += 1;
        let Some(agreed) = self.agreed.get(held) else {
            self.agreed.push(command.clone());
            return Ok(true);
        };
        applied_agrees([(index, command)], |_| Some(agreed)).map_err(|_| {
            let (command, agreed) = (command.clone(), agreed.clone());
            Violation::AppliedAnother { server, index, command, agreed }
        })?;
        Ok(false)
    }

    /// The state machine of a server becomes what `commands` make: all those up to `index`.
    pub fn restore(
        &mut self,
        server: usize,
        index: Index,
        commands: &[Command],
    ) -> Result<(), Violation> {
        let held = self.applied[server] as Index;
        if index < held {
            return Err(Violation::AppliedFell { server, from: held, to: index });
        }
        let is_prefix = commands.len() as Index == index && self.agreed.starts_with(commands);
        if !is_prefix {
            return Err(Violation::ImageDiffers { server, index });
        }
        self.applied[server] = commands.len();
        Ok(())
    }

    /// What a server has applied so far: what an image of it holds.
    pub fn held(&self, server: usize) -> &[Command] {
        &self.agreed[..self.applied[server]]
    }

    /// The command that a server has applied at `index` since it started.
    pub fn applied(&self, server: usize, index: Index) -> Option<Command> {
        let position = usize::try_from(index.checked_sub(1)?).ok()?;
        (position < self.applied[server]).then(|| self.agreed[position].clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::command;

    #[test]
    fn servers_that_apply_the_same_in_order_are_fine_also_after_a_restart() {
        let mut oracle = Oracle::new(2);
        assert_eq!(oracle.apply(0, 1, &command(1)), Ok(true));
        assert_eq!(oracle.apply(1, 1, &command(1)), Ok(false));
        assert_eq!(oracle.apply(1, 2, &command(2)), Ok(true));
        assert_eq!(oracle.applied(0, 2), None);
        oracle.started(1);
        assert_eq!(oracle.applied(1, 1), None);
        assert_eq!(oracle.apply(1, 1, &command(1)), Ok(false));
        assert_eq!(oracle.applied(1, 1), Some(command(1)));
        assert_eq!(oracle.applied(1, 0), None);
    }

    #[test]
    fn another_command_at_an_index_is_a_violation() {
        let mut oracle = Oracle::new(2);
        assert_eq!(oracle.apply(0, 1, &command(1)), Ok(true));
        let (agreed, command) = (command(1), command(2));
        let another =
            Violation::AppliedAnother { server: 1, index: 1, command: command.clone(), agreed };
        assert_eq!(oracle.apply(1, 1, &command), Err(another));
    }

    #[test]
    fn an_image_holds_what_was_applied_and_never_takes_a_server_back() {
        let mut oracle = Oracle::new(2);
        for number in 1..=3 {
            assert_eq!(oracle.apply(0, number, &command(number)), Ok(true));
        }
        let all = oracle.held(0).to_vec();
        assert_eq!(oracle.restore(1, 2, &all[..2]), Ok(()));
        assert_eq!((oracle.applied(1, 2), oracle.applied(1, 3)), (Some(command(2)), None));
        assert_eq!(oracle.apply(1, 3, &command(3)), Ok(false));
        let fell = Violation::AppliedFell { server: 1, from: 3, to: 2 };
        assert_eq!(oracle.restore(1, 2, &all[..2]), Err(fell));
        let differs = |index| Err(Violation::ImageDiffers { server: 1, index });
        assert_eq!(oracle.restore(1, 4, &all), differs(4), "it lacks a command");
        assert_eq!(oracle.restore(1, 4, &[&all[..], &[command(4)]].concat()), differs(4));
        let other = [command(1), command(9), command(3)];
        assert_eq!(oracle.restore(1, 3, &other), differs(3));
    }

    #[test]
    fn a_gap_or_a_repetition_is_a_violation() {
        let mut oracle = Oracle::new(1);
        let out_of_turn =
            |index, expected| Err(Violation::AppliedOutOfTurn { server: 0, index, expected });
        assert_eq!(oracle.apply(0, 2, &command(1)), out_of_turn(2, 1));
        assert_eq!(oracle.apply(0, 1, &command(1)), Ok(true));
        assert_eq!(oracle.apply(0, 1, &command(1)), out_of_turn(1, 2));
    }
}

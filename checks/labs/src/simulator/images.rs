//! The images of one simulated server: what its state machine was, written to its disk.

use veraft::figure2::{Base, Command, Index};

/// An image of the state machine of the labs, which keeps whatever it was given.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LabImage {
    /// Of which mark it is.
    pub base: Base,
    /// All commands up to there.
    pub commands: Vec<Command>,
}

/// The images of one server.
#[derive(Debug, Default)]
pub struct Images {
    durable: Vec<LabImage>,
    /// The index of the image that is being written, if one is.
    writing: Option<Index>,
}

impl Images {
    /// Begins to write an image, unless another is being written; whether it did.
    pub fn begin(&mut self, last_index: Index) -> bool {
        let begins = self.writing.is_none();
        if begins {
            self.writing = Some(last_index);
        }
        begins
    }

    /// The image that was being written is whole and durable.
    pub fn written(&mut self, image: LabImage) {
        self.writing = None;
        self.durable.push(image);
    }

    /// An image from a peer is whole, found to be sound, and durable.
    pub fn received(&mut self, image: LabImage) {
        if self.of(image.base).is_none() {
            self.durable.push(image);
        }
    }

    /// The image of a mark.
    pub fn of(&self, base: Base) -> Option<&LabImage> {
        self.durable.iter().find(|image| image.base == base)
    }

    /// The log begins at `base`, durably: no image of before is needed any more.
    pub fn keep_from(&mut self, base: Base) {
        self.durable.retain(|image| image.base >= base);
    }

    /// The server crashes: what was being written is gone, and so is what no record names.
    pub fn crash(&mut self, base: Base) {
        self.writing = None;
        self.durable.retain(|image| image.base == base);
    }
}

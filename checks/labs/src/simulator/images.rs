//! The images of one simulated server: what its state machine was, written to its disk.

use veraft::driver::{ImageName, Offer};
use veraft::figure2::{Base, Command};

/// An image of the state machine of the labs, which keeps whatever it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabImage {
    name: ImageName,
    bytes: Vec<u8>,
}

impl LabImage {
    /// An image of all commands up to the mark in its name.
    pub fn new(name: ImageName, commands: &[Command]) -> LabImage {
        let bytes = postcard::to_allocvec(commands).expect("writing to memory cannot fail");
        LabImage { name, bytes }
    }

    /// Its name.
    pub fn name(&self) -> ImageName {
        self.name
    }

    /// What travels.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The commands in it; none if it was not made of any.
    pub fn commands(&self) -> Option<Vec<Command>> {
        postcard::from_bytes(&self.bytes).ok()
    }

    /// What peers are told of it.
    pub fn offer(&self) -> Offer {
        Offer { image: self.name, length: self.bytes.len() as u64 }
    }
}

/// The images of one server.
#[derive(Debug, Default)]
pub struct Images {
    durable: Vec<LabImage>,
    /// What has come of an image from a peer.
    partial: Option<(ImageName, Vec<u8>)>,
}

impl Images {
    /// An image is whole and durable.
    pub fn add(&mut self, image: LabImage) {
        if self.of(image.name.base).is_none() {
            self.durable.push(image);
        }
    }

    /// The image of a mark.
    pub fn of(&self, base: Base) -> Option<&LabImage> {
        self.durable.iter().find(|image| image.name.base == base)
    }

    /// The image of this name.
    pub fn named(&self, name: ImageName) -> Option<&LabImage> {
        self.of(name.base).filter(|image| image.name == name)
    }

    /// Those that are durable.
    pub fn all(&self) -> impl Iterator<Item = &LabImage> {
        self.durable.iter()
    }

    /// The log begins at `base`, durably: no image of before is needed any more.
    pub fn keep_from(&mut self, base: Base) {
        self.durable.retain(|image| image.name.base >= base);
    }

    /// What has come of an image, and how many bytes.
    pub fn partial(&self) -> Option<(ImageName, u64)> {
        self.partial.as_ref().map(|(name, bytes)| (*name, bytes.len() as u64))
    }

    /// An image begins to come, in the place of any other.
    pub fn begin_partial(&mut self, name: ImageName) {
        self.partial = Some((name, Vec::new()));
    }

    /// More of it has come.
    pub fn append_partial(&mut self, more: &[u8]) {
        if let Some((_, bytes)) = &mut self.partial {
            bytes.extend_from_slice(more);
        }
    }

    /// All of it has come: its mark, if it is sound.
    pub fn finish_partial(&mut self, name: ImageName) -> Option<Base> {
        let (name, bytes) = self.partial.take().filter(|(partial, _)| *partial == name)?;
        let image = LabImage { name, bytes };
        image.commands()?;
        self.add(image);
        Some(name.base)
    }

    /// The server crashes: images that no record names are of no use, and of what has come in
    /// part `kept` bytes at most are left.
    pub fn crash(&mut self, base: Base, kept: usize) {
        self.durable.retain(|image| image.name.base == base);
        if let Some((_, bytes)) = &mut self.partial {
            bytes.truncate(kept);
        }
    }
}

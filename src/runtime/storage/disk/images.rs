//! Images as files of a directory: each under a name that says how far it is, and renamed once it
//! is finished and synced.

use crate::runtime::std;

use std::boxed::Box;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::string::String;
use std::sync::Arc;
use std::vec::Vec;

use super::reserve::Reserve;
use crate::figure2::Base;
use crate::runtime::storage::StorageError;
use crate::runtime::storage::images::{
    ImageFile, ImageName, ImageStage, Images, StoredImage, UnfinishedImage,
};

/// The directory of a node's images, in that of the node.
const DIRECTORY: &str = "images";

/// The images of one node. The directory is made when the first of them is begun.
#[derive(Debug)]
pub(super) struct DiskImages {
    directory: PathBuf,
    reserve: Arc<Reserve>,
}

fn suffix(stage: ImageStage) -> &'static str {
    match stage {
        ImageStage::Written => "writing",
        ImageStage::Received => "receiving",
        ImageStage::Finished => "image",
    }
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StorageError {
    let path = path.to_path_buf();
    move |source| StorageError::refused(action, path, source)
}

impl DiskImages {
    /// The images in the directory of a node, which nobody else has open. Those that a crash
    /// has left half written go.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn open(node: &Path, reserve: Arc<Reserve>) -> Result<DiskImages, StorageError> {
        let images = DiskImages { directory: node.join(DIRECTORY), reserve };
        for StoredImage { name, stage, bytes } in images.list()? {
            match stage {
                ImageStage::Written => images.remove(name, stage)?,
                ImageStage::Received => {}
                ImageStage::Finished => images.reserve.image_has(bytes),
            }
        }
        Ok(images)
    }

    fn path(&self, name: ImageName, stage: ImageStage) -> PathBuf {
        self.directory.join(std::format!("{name}.{}", suffix(stage)))
    }

    /// The directory, made if it is not there.
    fn make(&self) -> Result<(), StorageError> {
        if self.directory.is_dir() {
            return Ok(());
        }
        let made = self.reserve.sparing(|| fs::create_dir_all(&self.directory));
        made.map_err(io("create the directory", &self.directory))?;
        self.directory.parent().map_or(Ok(()), sync_directory)
    }

    fn unfinished(
        &self,
        name: ImageName,
        stage: ImageStage,
        options: &OpenOptions,
        action: &'static str,
    ) -> Result<Box<dyn UnfinishedImage>, StorageError> {
        let path = self.path(name, stage);
        let opened = self.reserve.sparing(|| open_file(&path, options));
        let opened = OpenFile::of(opened.map_err(io(action, &path))?, path);
        let (finished, reserve) = (self.path(name, ImageStage::Finished), self.reserve.clone());
        Ok(Box::new(Unfinished { opened, finished, reserve }))
    }
}

fn sync_directory(directory: &Path) -> Result<(), StorageError> {
    let sync = File::open(directory).and_then(|directory| directory.sync_all());
    sync.map_err(io("sync the directory", directory))
}

/// The image that a file is named after; none for a file of somebody else.
fn named(file: &str) -> Option<(ImageName, ImageStage)> {
    let (name, found) = file.split_once('.')?;
    let stages = [ImageStage::Written, ImageStage::Received, ImageStage::Finished];
    let stage = stages.into_iter().find(|&stage| suffix(stage) == found)?;
    let mut parts = name.split('-');
    let (index, term, number) = (parts.next()?, parts.next()?, parts.next()?);
    let base = Base { last_index: index.parse().ok()?, last_term: term.parse().ok()? };
    let name = ImageName { base, number: u64::from_str_radix(number, 16).ok()? };
    // No other spelling of it.
    (std::format!("{name}.{found}") == file).then_some((name, stage))
}

impl Images for DiskImages {
    fn list(&self) -> Result<Vec<StoredImage>, StorageError> {
        let failed = |error| io("list the images in", &self.directory)(error);
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut images = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let file: String = entry.file_name().to_string_lossy().into_owned();
            let Some((name, stage)) = named(&file) else { continue };
            match entry.metadata() {
                Ok(found) => images.push(StoredImage { name, stage, bytes: found.len() }),
                // Another thread has removed it.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed(error)),
            }
        }
        images.sort();
        Ok(images)
    }

    fn create(
        &self,
        name: ImageName,
        stage: ImageStage,
    ) -> Result<Box<dyn UnfinishedImage>, StorageError> {
        if stage == ImageStage::Finished {
            return Err(StorageError::other("an image is finished once it was begun"));
        }
        self.make()?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true);
        self.unfinished(name, stage, &options, "create the image")
    }

    fn resume(&self, name: ImageName) -> Result<Box<dyn UnfinishedImage>, StorageError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        self.unfinished(name, ImageStage::Received, &options, "open the image")
    }

    fn open(&self, name: ImageName) -> Result<Box<dyn ImageFile>, StorageError> {
        let path = self.path(name, ImageStage::Finished);
        let opened = open_file(&path, OpenOptions::new().read(true));
        Ok(Box::new(OpenFile::of(opened.map_err(io("open the image", &path))?, path)))
    }

    fn remove(&self, name: ImageName, stage: ImageStage) -> Result<(), StorageError> {
        let path = self.path(name, stage);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(io("remove the image", &path)(error))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// A file that is read or written at any place.
struct OpenFile {
    file: File,
    path: PathBuf,
    bytes: u64,
    /// Where the next byte would be read or written.
    position: u64,
}

/// A file, and how many bytes it has.
fn open_file(path: &Path, options: &OpenOptions) -> io::Result<(File, u64)> {
    let file = options.open(path)?;
    let bytes = file.metadata()?.len();
    Ok((file, bytes))
}

impl OpenFile {
    fn of((file, bytes): (File, u64), path: PathBuf) -> OpenFile {
        OpenFile { file, path, bytes, position: 0 }
    }

    fn go_to(&mut self, position: u64) -> io::Result<()> {
        if self.position != position {
            self.file.seek(SeekFrom::Start(position))?;
            self.position = position;
        }
        Ok(())
    }

    fn fill(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.go_to(offset)?;
        let mut filled = 0;
        while filled < buffer.len() {
            match self.file.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => {
                    filled += count;
                    self.position += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.go_to(self.bytes)?;
        if let Err(error) = self.file.write_all(bytes) {
            // How much of it was written, nobody knows.
            self.position = u64::MAX;
            return Err(error);
        }
        self.bytes += bytes.len() as u64;
        self.position = self.bytes;
        Ok(())
    }
}

impl ImageFile for OpenFile {
    fn place(&self) -> PathBuf {
        self.path.clone()
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, StorageError> {
        let filled = self.fill(offset, buffer);
        filled.map_err(io("read the image", &self.path))
    }
}

struct Unfinished {
    opened: OpenFile,
    finished: PathBuf,
    reserve: Arc<Reserve>,
}

impl ImageFile for Unfinished {
    fn place(&self) -> PathBuf {
        self.opened.place()
    }

    fn bytes(&self) -> u64 {
        self.opened.bytes()
    }

    fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, StorageError> {
        self.opened.read_at(offset, buffer)
    }
}

impl UnfinishedImage for Unfinished {
    fn append(&mut self, bytes: &[u8]) -> Result<(), StorageError> {
        let added = self.reserve.sparing(|| self.opened.add(bytes));
        added.map_err(io("write the image", &self.opened.path))
    }

    fn truncate(&mut self, bytes: u64) -> Result<(), StorageError> {
        let cut = self.opened.file.set_len(bytes);
        cut.map_err(io("cut the image", &self.opened.path))?;
        self.opened.bytes = bytes;
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StorageError> {
        let synced = self.opened.file.sync_data();
        synced.map_err(io("sync the image", &self.opened.path))
    }

    fn finish(self: Box<Self>) -> Result<(), StorageError> {
        let Unfinished { opened, finished, reserve } = *self;
        let OpenFile { file, path, bytes, position: _ } = opened;
        file.sync_all().map_err(io("sync the image", &path))?;
        drop(file);
        let renamed = reserve.sparing(|| fs::rename(&path, &finished));
        renamed.map_err(io("rename the image", &path))?;
        reserve.image_has(bytes);
        finished.parent().map_or(Ok(()), sync_directory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    fn name(number: u64) -> ImageName {
        ImageName { base: Base { last_index: 12, last_term: 3 }, number }
    }

    fn opened(node: &Path) -> DiskImages {
        DiskImages::open(node, Arc::new(Reserve::open(node))).unwrap()
    }

    #[test]
    fn files_are_named_after_their_images_and_no_other_file_is_taken_for_one() {
        let file = |stage| std::format!("{}.{}", name(0xab), suffix(stage));
        assert_eq!(file(ImageStage::Finished), "12-3-00000000000000ab.image");
        for stage in [ImageStage::Written, ImageStage::Received, ImageStage::Finished] {
            assert_eq!(named(&file(stage)), Some((name(0xab), stage)));
        }
        for other in [
            "12-3-ab.image",
            "012-3-00000000000000ab.image",
            "12-3-00000000000000ab-1.image",
            "12-3-00000000000000ab.image.old",
            "12-3.image",
            "notes.txt",
        ] {
            assert_eq!(named(other), None, "{other}");
        }
    }

    #[test]
    fn what_a_crash_left_half_written_goes_and_what_was_received_stays() {
        let directory = tempfile::tempdir().unwrap();
        let images = opened(directory.path());
        assert!(!directory.path().join(DIRECTORY).exists(), "nothing is made before it is needed");
        let begun = |number, stage| {
            let mut file = images.create(name(number), stage).unwrap();
            file.append(b"some").unwrap();
            file
        };
        drop(begun(1, ImageStage::Written));
        drop(begun(2, ImageStage::Received));
        begun(3, ImageStage::Written).finish().unwrap();
        let other = directory.path().join(DIRECTORY).join("notes.txt");
        fs::write(&other, "somebody's").unwrap();
        assert_eq!(images.list().unwrap().len(), 3);

        let images = opened(directory.path());
        let found = images.list().unwrap();
        let found: Vec<_> = found.iter().map(|image| (image.name.number, image.stage)).collect();
        assert_eq!(found, [(2, ImageStage::Received), (3, ImageStage::Finished)]);
        assert!(other.exists());
    }

    #[test]
    fn an_error_names_the_file_and_what_was_tried() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(DIRECTORY), "a file in its place").unwrap();
        let images = opened(Path::new("/nowhere"));
        let images = DiskImages { directory: directory.path().join(DIRECTORY), ..images };
        let Err(error) = images.create(name(1), ImageStage::Written) else { panic!("created") };
        assert!(error.to_string().contains("cannot create the directory"), "{error}");
        let Err(error) = images.open(name(1)) else { panic!("opened") };
        let text = error.to_string();
        assert!(text.contains("cannot open the image") && text.contains("12-3-"), "{text}");
    }
}

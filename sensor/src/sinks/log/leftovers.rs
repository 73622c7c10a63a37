//! What a run left behind that did not end well: a segment with half a frame, a finished one without its index.

use std::io;

use super::frames::{Found, Frames};
use super::index::{Index, Indexer};
use super::mend::{self, ReadAt, Tail};
use super::name::{Name, segments};
use super::volume::{Volume, VolumeFile};

/// Files of the same name that are put aside.
const ASIDE: u32 = 1_000;
/// Bytes that are copied at once.
const COPIED_BYTES: usize = 256 << 10;

/// Finishes the segments that a crash left, and cuts off what cannot be read. Gives what is to be told.
pub(crate) fn finish(volume: &impl Volume) -> io::Result<Vec<String>> {
    let mut notes = Vec::new();
    let files = volume.names()?;
    for name in files.iter().filter_map(|file| Name::parse(file)).filter(|name| !name.is_sealed) {
        let file_name = name.file();
        let mut file = volume.append(&file_name)?;
        let len = file.length()?;
        let kept = match mend::frames(&volume.open(&file_name)?)? {
            Tail::Whole => len,
            Tail::Torn(at) => {
                file.truncate(at)?;
                let bytes = len - at;
                notes.push(format!("{file_name}: the last frame was not finished; its {bytes} bytes are cut off"));
                at
            }
            Tail::Foreign => {
                let (_, at) = mend::whole_frames(&volume.open(&file_name)?)?;
                let aside = put_aside(volume, &file_name, at)?;
                notes.push(format!(
                    "{file_name} is damaged at byte {at}; what stands there and behind it is kept as {aside}"
                ));
                if at == 0 {
                    continue;
                }
                file.truncate(at)?;
                at
            }
        };
        if kept == 0 {
            volume.remove(&file_name)?;
        } else {
            file.sync()?;
            volume.rename(&file_name, &name.sealed().file())?;
        }
    }
    volume.sync()?;
    Ok(notes)
}

/// Gives a file a name that no file has; of one that begins well only what stands behind that, as a copy.
fn put_aside(volume: &impl Volume, file: &str, from: u64) -> io::Result<String> {
    let names = volume.names()?;
    let mut asides = (1..ASIDE).map(|number| format!("{file}.damaged-{number}"));
    let aside = asides.find(|aside| !names.contains(aside)).ok_or(io::ErrorKind::AlreadyExists)?;
    if from == 0 {
        volume.rename(file, &aside)?;
        return Ok(aside);
    }
    let (whole, mut copy) = (volume.open(file)?, volume.append(&aside)?);
    let (mut at, len) = (from, whole.length()?);
    let mut window = vec![0; COPIED_BYTES];
    while at < len {
        let part =
            window.get_mut(..usize::try_from(len - at).unwrap_or(COPIED_BYTES).min(COPIED_BYTES)).unwrap_or(&mut []);
        whole.read_exact_at(part, at)?;
        copy.append(part)?;
        at += part.len() as u64;
    }
    copy.sync()?;
    volume.sync()?;
    Ok(aside)
}

/// The finished segments that have no index, or one that cannot be used.
pub(crate) fn without_index(volume: &impl Volume) -> io::Result<Vec<Name>> {
    let files = volume.names()?;
    let sealed = segments(&files).into_iter().filter(|name| name.is_sealed);
    Ok(sealed.filter(|name| !files.contains(&name.index())).collect())
}

/// An index that is being made from its segment, a frame at a time.
pub(crate) struct Rebuilding<F> {
    name: Name,
    file: F,
    at: u64,
    frames: Frames,
    indexer: Indexer,
}

impl<F: ReadAt> Rebuilding<F> {
    /// Begins one.
    pub(crate) fn begin<V: Volume<File = F>>(volume: &V, name: Name) -> io::Result<Self> {
        let file = volume.open(&name.file())?;
        Ok(Self { name, file, at: 0, frames: Frames::default(), indexer: Indexer::default() })
    }

    /// Goes on by one frame; the segment and its index when that was the last.
    pub(crate) fn step(mut self) -> io::Result<Result<Self, (Name, Index)>> {
        self.at = match self.frames.read(&self.file, self.at)? {
            Found::Frame(end) => {
                self.indexer.add(self.frames.text(), self.at);
                end
            }
            Found::Damaged(end) => end,
            Found::Nothing => return Ok(Err((self.name, self.indexer.finish(self.at)))),
        };
        Ok(Ok(self))
    }
}

/// The index of a finished segment: the one beside it, or one that is made now.
pub(crate) fn index_of(volume: &impl Volume, name: &Name) -> io::Result<Index> {
    if let Some(index) = Index::read(volume, &name.index()) {
        return Ok(index);
    }
    let mut rebuilding = Rebuilding::begin(volume, name.clone())?;
    loop {
        match rebuilding.step()? {
            Ok(more) => rebuilding = more,
            Err((_, index)) => return Ok(index),
        }
    }
}

//! A sorted table on disk: rows of a few numbers, in pages of 4 KiB that end with a checksum. A search reads as many pages as the number of
//! pages has binary digits.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::{WORD, Words};

const PAGE: usize = 4_096;
const CHECKSUM: usize = 4;

/// A row of so many numbers.
pub type Row<const N: usize> = [u64; N];

/// Rows that a page has.
const fn rows_of<const N: usize>() -> usize {
    (PAGE - CHECKSUM) / (N * WORD)
}

/// Appends the pages of a table, which is sorted first.
pub fn write<const N: usize>(out: &mut Vec<u8>, rows: &mut [Row<N>]) {
    rows.sort_unstable();
    for page in rows.chunks(rows_of::<N>()) {
        let start = out.len();
        page.iter().flatten().for_each(|word| out.extend_from_slice(&word.to_le_bytes()));
        out.resize(start + PAGE - CHECKSUM, 0);
        let checksum = crc32fast::hash(out.get(start..).unwrap_or(&[]));
        out.extend_from_slice(&checksum.to_le_bytes());
    }
}

/// A table in a file.
#[derive(Clone, Copy, Debug)]
pub struct Table<'f, const N: usize> {
    file: &'f File,
    offset: u64,
    rows: u64,
}

impl<'f, const N: usize> Table<'f, N> {
    /// The table of so many rows at a place; its length as well.
    pub fn at(file: &'f File, offset: u64, rows: u64) -> (Self, u64) {
        let pages = rows.div_ceil(rows_of::<N>() as u64);
        (Self { file, offset, rows }, pages.saturating_mul(PAGE as u64))
    }

    /// Calls for each row whose first number is `key`, and is an error where a page is damaged.
    pub fn find(&self, key: u64, each: &mut dyn FnMut(&Row<N>)) -> io::Result<()> {
        let pages = self.pages();
        let (mut low, mut high) = (0, pages);
        // The first page whose last row is not before the key.
        while low < high {
            let middle = low + (high - low) / 2;
            let page = self.page(middle)?;
            if page.last().is_some_and(|row| first(row) < key) { low = middle + 1 } else { high = middle }
        }
        for number in low..pages {
            for row in self.page(number)? {
                match first(&row).cmp(&key) {
                    std::cmp::Ordering::Less => {}
                    std::cmp::Ordering::Equal => each(&row),
                    std::cmp::Ordering::Greater => return Ok(()),
                }
            }
        }
        Ok(())
    }

    /// Calls for each row.
    pub fn all(&self, each: &mut dyn FnMut(&Row<N>)) -> io::Result<()> {
        for number in 0..self.pages() {
            self.page(number)?.iter().for_each(&mut *each);
        }
        Ok(())
    }

    fn pages(&self) -> u64 {
        self.rows.div_ceil(rows_of::<N>() as u64)
    }

    fn page(&self, number: u64) -> io::Result<Vec<Row<N>>> {
        let mut page = [0; PAGE];
        self.file.read_exact_at(&mut page, self.offset.saturating_add(number.saturating_mul(PAGE as u64)))?;
        let Some((rows, checksum)) = page.split_last_chunk::<CHECKSUM>() else { return Err(damaged()) };
        if crc32fast::hash(rows) != u32::from_le_bytes(*checksum) {
            return Err(damaged());
        }
        let before = number.saturating_mul(rows_of::<N>() as u64);
        let count = usize::try_from(self.rows.saturating_sub(before)).unwrap_or(usize::MAX).min(rows_of::<N>());
        let mut words = Words(rows);
        let mut row = || -> Option<Row<N>> {
            let mut row = [0; N];
            for word in &mut row {
                *word = words.u64()?;
            }
            Some(row)
        };
        Ok((0..count).map_while(|_| row()).collect())
    }
}

fn first<const N: usize>(row: &Row<N>) -> u64 {
    row.first().copied().unwrap_or(0)
}

/// What is wrong with a page.
pub fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the index is damaged")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[test]
    fn rows_are_found_by_their_first_number() {
        let mut rows: Vec<Row<2>> = (0..10_000).map(|n| [n * 7919 % 2_000, n]).collect();
        let mut out = b"before".to_vec();
        write(&mut out, &mut rows);
        let file = file(&out);
        let (table, len) = Table::<2>::at(&file, 6, 10_000);
        assert_eq!(len + 6, out.len() as u64);
        for key in [0, 1, 999, 1_999, 2_000, u64::MAX] {
            let mut found = Vec::new();
            table.find(key, &mut |row| found.push(*row)).unwrap();
            let expected: Vec<_> = rows.iter().copied().filter(|row| row[0] == key).collect();
            assert_eq!(found, expected);
        }
        let mut count = 0;
        table.all(&mut |_| count += 1).unwrap();
        assert_eq!(count, 10_000);
    }

    #[test]
    fn damage_and_an_early_end_are_seen() {
        let mut rows: Vec<Row<1>> = (0..2_000).map(|n| [n]).collect();
        let mut out = Vec::new();
        write(&mut out, &mut rows);
        let at = out.len() - 3_000;
        out[at] ^= 1;
        let damaged = file(&out);
        assert!(Table::<1>::at(&damaged, 0, 2_000).0.find(1_999, &mut |_| ()).is_err());
        let short = file(&out[..5_000]);
        assert!(Table::<1>::at(&short, 0, 2_000).0.all(&mut |_| ()).is_err());
        assert!(Table::<1>::at(&short, 0, u64::MAX).0.find(7, &mut |_| ()).is_err());
        assert!(Table::<1>::at(&short, 0, 0).0.find(7, &mut |_| ()).is_ok());
    }
}

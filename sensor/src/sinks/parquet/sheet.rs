//! One file of columns: records of one type and hour.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use super::cells::{Cells, field};
use super::columns::{Column, of_type};
use crate::sinks::encode::{Kind, Record, Value};

/// The column with the record as it is stored.
const RAW: &str = "raw";
/// The member that names the sensor.
const SENSOR: &str = "host";
/// Columns of which no value comes twice, so that a dictionary would be for nothing.
const UNLIKE: [&str; 3] = [RAW, "timestamp", "tapwire_event_id"];
/// Records that become columns together.
const BATCH_RECORDS: usize = 1 << 10;
/// The same in bytes.
const BATCH_BYTES: usize = 512 << 10;
/// Bytes of a group of rows, as they are written.
const GROUP_BYTES: usize = 16 << 20;
const ZSTD_LEVEL: i32 = 3;

/// A file that is being written.
pub(super) struct Sheet {
    writer: ArrowWriter<File>,
    schema: SchemaRef,
    members: Members,
    cells: Vec<Cells>,
    raw: StringBuilder,
    rows: usize,
    bytes: usize,
    /// The sensor's name, and the column that it is in.
    sensor: Option<(String, usize)>,
    /// Values that do not fit their column.
    pub(super) misfits: u64,
}

/// Where members of an object have their columns.
#[derive(Default)]
struct Members {
    column: Option<usize>,
    inner: BTreeMap<&'static str, Members>,
}

impl Members {
    fn of(columns: &[Column]) -> Self {
        let mut all = Self::default();
        for (place, column) in columns.iter().enumerate() {
            let at = column.path.split('.').fold(&mut all, |at, name| at.inner.entry(name).or_default());
            at.column = Some(place);
        }
        all
    }
}

impl Sheet {
    /// A new one in a file, for a type of records of a sensor, where they do not name theirs.
    pub(super) fn new(file: File, event_type: &str, sensor: Option<&str>) -> io::Result<Self> {
        let columns = of_type(event_type);
        let raw = Field::new(RAW, DataType::Utf8, false);
        let fields: Vec<Field> = columns.iter().map(field).chain([raw]).collect();
        let schema: SchemaRef = Arc::new(Schema::new(fields));
        let writer = ArrowWriter::try_new(file, Arc::clone(&schema), Some(properties()?)).map_err(wrong)?;
        Ok(Self {
            writer,
            schema,
            members: Members::of(&columns),
            cells: columns.iter().map(Cells::of).collect(),
            raw: StringBuilder::new(),
            rows: 0,
            bytes: 0,
            misfits: 0,
            sensor: sensor
                .zip(columns.iter().position(|column| column.path == SENSOR))
                .map(|(name, at)| (name.to_owned(), at)),
        })
    }

    /// Takes a record, with its text.
    pub(super) fn add(&mut self, record: Record<'_>, line: &str) -> io::Result<()> {
        let mut row = Row { cells: &mut self.cells, misfits: 0 };
        row.members(record.root(), &self.members);
        self.misfits += row.misfits;
        if let Some((name, cells)) = self.sensor.as_ref().and_then(|(name, at)| Some((name, self.cells.get_mut(*at)?)))
        {
            cells.put_missing(name);
        }
        self.cells.iter_mut().for_each(Cells::end_row);
        self.raw.append_value(line);
        self.rows += 1;
        self.bytes += line.len();
        if self.rows >= BATCH_RECORDS || self.bytes >= BATCH_BYTES {
            self.encode()?;
        }
        Ok(())
    }

    /// Makes columns of what was taken.
    fn encode(&mut self) -> io::Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        (self.rows, self.bytes) = (0, 0);
        let mut arrays =
            self.cells.iter_mut().map(Cells::finish).collect::<Result<Vec<ArrayRef>, _>>().map_err(wrong)?;
        arrays.push(Arc::new(self.raw.finish()));
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), arrays).map_err(wrong)?;
        self.writer.write(&batch).map_err(wrong)
    }

    /// Bytes of memory that it takes.
    pub(super) fn memory(&self) -> usize {
        // Columns of what was taken are about as long as the text, which stands beside them.
        self.writer.memory_size() + 2 * self.bytes
    }

    /// Writes what it has, so that it needs no memory for it any more.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.encode()?;
        self.writer.flush().map_err(wrong)
    }

    /// Ends the file.
    pub(super) fn finish(mut self) -> io::Result<File> {
        self.encode()?;
        self.writer.into_inner().map_err(wrong)
    }
}

/// The row that is being filled.
struct Row<'r> {
    cells: &'r mut [Cells],
    misfits: u64,
}

impl Row<'_> {
    fn members(&mut self, object: Value<'_>, known: &Members) {
        for (name, value) in object.members() {
            if let Some(known) = known.inner.get(name) {
                self.value(value, known);
            }
        }
    }

    fn value(&mut self, value: Value<'_>, known: &Members) {
        match value.kind() {
            Kind::Object if !known.inner.is_empty() => self.members(value, known),
            Kind::List => value.items().for_each(|item| self.value(item, known)),
            // What is not there has no kind.
            Kind::Plain if value.text() == "null" => {}
            _ => {
                let cells = known.column.and_then(|column| self.cells.get_mut(column));
                let is_scalar = value.kind() != Kind::Object;
                let fits = is_scalar && cells.is_some_and(|cells| cells.put(value));
                self.misfits += u64::from(!fits);
            }
        }
    }
}

fn properties() -> io::Result<WriterProperties> {
    let zstd = Compression::ZSTD(ZstdLevel::try_new(ZSTD_LEVEL).map_err(wrong)?);
    let mut properties = WriterProperties::builder()
        .set_compression(zstd)
        .set_max_row_group_bytes(Some(GROUP_BYTES))
        // A group is passed over as a whole or read: files have hundreds of columns, and each page of them would have an entry.
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_offset_index_disabled(true)
        .set_column_statistics_enabled(ColumnPath::from(RAW), EnabledStatistics::None);
    for name in UNLIKE {
        properties = properties.set_column_dictionary_enabled(ColumnPath::from(name), false);
    }
    Ok(properties.build())
}

fn wrong(error: impl std::error::Error + Send + Sync + 'static) -> io::Error {
    io::Error::other(error)
}

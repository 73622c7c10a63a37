//! The values of one column that were not written yet.

use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, Float64Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder};
use arrow_array::{ArrayRef, ListArray};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{ArrowError, DataType, Field, TimeUnit};

use super::columns::{Column, Kind};
use crate::sinks::encode::Value;
use crate::sinks::encode::time::moment;

/// The name of what is inside of lists, as other programs call it.
const ITEM: &str = "element";
/// Times are those of UTC.
const ZONE: &str = "UTC";

/// Gathers values, row by row.
pub(super) struct Cells {
    values: Values,
    lists: Option<Lists>,
    /// Whether the row that is being filled has a value.
    is_set: bool,
}

enum Values {
    Text(StringBuilder),
    Integer(Int64Builder),
    Number(Float64Builder),
    Boolean(BooleanBuilder),
    Time(TimestampMicrosecondBuilder),
}

/// Where the list of each row ends.
struct Lists {
    ends: Vec<i32>,
    are_there: Vec<bool>,
}

/// What Arrow calls a column.
pub(super) fn field(column: &Column) -> Field {
    let inner = match column.kind {
        Kind::Text => DataType::Utf8,
        Kind::Integer => DataType::Int64,
        Kind::Number => DataType::Float64,
        Kind::Boolean => DataType::Boolean,
        Kind::Time => DataType::Timestamp(TimeUnit::Microsecond, Some(ZONE.into())),
    };
    let outer = if column.is_list { DataType::List(Arc::new(Field::new(ITEM, inner, true))) } else { inner };
    Field::new(column.name(), outer, true)
}

impl Cells {
    /// Those of a column, without any yet.
    pub(super) fn of(column: &Column) -> Self {
        let values = match column.kind {
            Kind::Text => Values::Text(StringBuilder::new()),
            Kind::Integer => Values::Integer(Int64Builder::new()),
            Kind::Number => Values::Number(Float64Builder::new()),
            Kind::Boolean => Values::Boolean(BooleanBuilder::new()),
            Kind::Time => Values::Time(TimestampMicrosecondBuilder::new().with_timezone(ZONE)),
        };
        let lists = column.is_list.then(|| Lists { ends: vec![0], are_there: Vec::new() });
        Self { values, lists, is_set: false }
    }

    /// Takes a value for the row; false if it does not fit, and nothing of it is taken.
    pub(super) fn put(&mut self, value: Value<'_>) -> bool {
        if self.is_set && self.lists.is_none() {
            return false;
        }
        let is_taken = self.values.push(value);
        self.is_set |= is_taken;
        is_taken
    }

    /// Takes a text for the row where it has none.
    pub(super) fn put_missing(&mut self, text: &str) {
        if let (Values::Text(values), false) = (&mut self.values, self.is_set) {
            values.append_value(text);
            self.is_set = true;
        }
    }

    /// The row is over.
    pub(super) fn end_row(&mut self) {
        let is_set = std::mem::take(&mut self.is_set);
        match &mut self.lists {
            Some(lists) => {
                lists.ends.push(i32::try_from(self.values.len()).unwrap_or(i32::MAX));
                lists.are_there.push(is_set);
            }
            None if !is_set => self.values.push_nothing(),
            None => {}
        }
    }

    /// All rows, and none are left.
    pub(super) fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let values = self.values.finish();
        let Some(lists) = &mut self.lists else { return Ok(values) };
        let ends = std::mem::replace(&mut lists.ends, vec![0]);
        let nulls = NullBuffer::from(std::mem::take(&mut lists.are_there));
        let item = Arc::new(Field::new(ITEM, values.data_type().clone(), true));
        Ok(Arc::new(ListArray::try_new(item, OffsetBuffer::new(ends.into()), values, Some(nulls))?))
    }
}

impl Values {
    fn push(&mut self, value: Value<'_>) -> bool {
        let text = value.text();
        match self {
            Self::Text(values) => match value.decoded_whole() {
                Some(text) => values.append_value(text),
                None => return false,
            },
            Self::Integer(values) => match text.parse().ok().filter(|_| value.is_plain()) {
                Some(number) => values.append_value(number),
                None => return false,
            },
            Self::Number(values) => {
                match text.parse().ok().filter(|number: &f64| value.is_plain() && number.is_finite()) {
                    Some(number) => values.append_value(number),
                    None => return false,
                }
            }
            Self::Boolean(values) => match text {
                "true" | "false" if value.is_plain() => values.append_value(text == "true"),
                _ => return false,
            },
            Self::Time(values) => match moment(text).filter(|_| !value.is_plain()) {
                Some(micros) => values.append_value(micros),
                None => return false,
            },
        }
        true
    }

    fn push_nothing(&mut self) {
        match self {
            Self::Text(values) => values.append_null(),
            Self::Integer(values) => values.append_null(),
            Self::Number(values) => values.append_null(),
            Self::Boolean(values) => values.append_null(),
            Self::Time(values) => values.append_null(),
        }
    }

    fn len(&self) -> usize {
        use arrow_array::builder::ArrayBuilder;
        match self {
            Self::Text(values) => values.len(),
            Self::Integer(values) => values.len(),
            Self::Number(values) => values.len(),
            Self::Boolean(values) => values.len(),
            Self::Time(values) => values.len(),
        }
    }

    fn finish(&mut self) -> ArrayRef {
        match self {
            Self::Text(values) => Arc::new(values.finish()),
            Self::Integer(values) => Arc::new(values.finish()),
            Self::Number(values) => Arc::new(values.finish()),
            Self::Boolean(values) => Arc::new(values.finish()),
            Self::Time(values) => Arc::new(values.finish()),
        }
    }
}

//! A flight's samples as one compressed value: column by column, differences as varints, zlib (RFC 1950) around it.

use std::collections::HashMap;
use std::io::Write;

use flate2::write::ZlibEncoder;
use flate2::{Compression, Decompress, FlushDecompress, Status};
use jiff::Timestamp;

use crate::adapters::limits;
use crate::ports::track_store::Sample;

/// A flight with more samples stays as it is; at one a second it lasts longer than a day.
pub const MAX_SAMPLES: usize = 100_000;

/// Stored values begin with it. Another layout gets another number, and this one stays readable.
const VERSION: u8 = 1;
/// A phase has a quarter of it at most; one that is refused would otherwise be repeated by every sample.
const MAX_PHASE_BYTES: usize = 64;
/// No flight of [`MAX_SAMPLES`] comes near it: what inflates further is no packed flight.
const MAX_INFLATED_BYTES: usize = 32 * 1024 * 1024;
const INFLATE_STEP_BYTES: usize = 64 * 1024;
/// Every number of a sample, and the index of its phase, take a byte at least.
const LEAST_SAMPLE_BYTES: usize = COLUMNS.len() + 1;

#[derive(Debug, thiserror::Error)]
pub enum PackingError {
    #[error("{0} samples are too many to be packed")]
    TooMany(usize),
    #[error("the samples could not be compressed: {0}")]
    Compression(#[from] std::io::Error),
    #[error("packed samples of version {0} are not known to this release")]
    UnknownVersion(u8),
    #[error("the packed samples are damaged: {0}")]
    Damaged(&'static str),
}

/// One number of a sample: how it is read and written. A value that does not fit is refused.
struct Column {
    get: fn(&Sample) -> Option<i64>,
    set: fn(&mut Sample, Option<i64>) -> Option<()>,
}

macro_rules! required {
    ($field:ident) => {
        Column {
            get: |sample| Some(sample.$field.into()),
            set: |sample, value| {
                sample.$field = value?.try_into().ok()?;
                Some(())
            },
        }
    };
}

macro_rules! optional {
    ($field:ident) => {
        Column {
            get: |sample| sample.$field.map(i64::from),
            set: |sample, value| {
                sample.$field = value.map(TryInto::try_into).transpose().ok()?;
                Some(())
            },
        }
    };
}

/// In the order in which they are stored.
const COLUMNS: [Column; 10] = [
    required!(sequence),
    Column {
        get: |sample| Some(sample.time.as_microsecond()),
        set: |sample, value| {
            sample.time = limits::from_microsecond(value?).ok()?;
            Some(())
        },
    },
    required!(latitude_e7),
    required!(longitude_e7),
    optional!(altitude_ft),
    optional!(heading_deg),
    optional!(ground_speed_kt),
    optional!(indicated_airspeed_kt),
    optional!(vertical_speed_fpm),
    optional!(fuel_kg),
];

/// Packs samples in order of sequence. The same samples give the same bytes.
///
/// # Errors
/// When there are more than [`MAX_SAMPLES`].
pub fn pack(samples: &[Sample]) -> Result<Vec<u8>, PackingError> {
    if samples.len() > MAX_SAMPLES {
        return Err(PackingError::TooMany(samples.len()));
    }
    let mut body = Vec::with_capacity(samples.len() * 2 * LEAST_SAMPLE_BYTES);
    put(&mut body, samples.len() as u64);
    for column in &COLUMNS {
        let mut last = 0;
        for sample in samples {
            let value = (column.get)(sample);
            // 0 is an absent value; a present one is its difference from the present one before.
            put(&mut body, value.map_or(0, |value| zigzag(value - last) + 1));
            last = value.unwrap_or(last);
        }
    }
    put_phases(&mut body, samples);
    let mut encoder = ZlibEncoder::new(vec![VERSION], Compression::default());
    encoder.write_all(&body)?;
    Ok(encoder.finish()?)
}

/// The samples that were packed, in order of sequence.
///
/// # Errors
/// When the bytes are not what [`pack`] made, or from a later release.
pub fn unpack(packed: &[u8]) -> Result<Vec<Sample>, PackingError> {
    let (version, compressed) = packed
        .split_first()
        .ok_or(PackingError::Damaged("it is empty"))?;
    if *version != VERSION {
        return Err(PackingError::UnknownVersion(*version));
    }
    let body = inflate(compressed)?;
    let mut rest = Rest(&body);
    let count = rest.count(LEAST_SAMPLE_BYTES)?;
    if count > MAX_SAMPLES {
        return Err(PackingError::TooMany(count));
    }
    let mut samples = vec![blank(); count];
    for column in &COLUMNS {
        take_column(&mut rest, column, &mut samples)?;
    }
    take_phases(&mut rest, &mut samples)?;
    if !rest.0.is_empty() {
        return Err(PackingError::Damaged("something follows the last sample"));
    }
    if samples
        .windows(2)
        .any(|pair| pair[0].sequence >= pair[1].sequence)
    {
        return Err(PackingError::Damaged("its samples are out of order"));
    }
    Ok(samples)
}

fn take_column(
    rest: &mut Rest<'_>,
    column: &Column,
    samples: &mut [Sample],
) -> Result<(), PackingError> {
    let mut last = 0_i64;
    for sample in samples {
        let value = match rest.number()? {
            0 => None,
            number => {
                let value = last.checked_add(unzigzag(number - 1));
                last = value.ok_or(PackingError::Damaged("a number is out of range"))?;
                Some(last)
            }
        };
        (column.set)(sample, value).ok_or(PackingError::Damaged("a number is out of range"))?;
    }
    Ok(())
}

/// The distinct phases, then for every sample 0 or the number of its phase, counted from 1.
fn put_phases(body: &mut Vec<u8>, samples: &[Sample]) {
    let mut known = HashMap::new();
    let mut phases = Vec::new();
    let mut numbers = Vec::with_capacity(samples.len());
    for sample in samples {
        let number = sample.phase.as_deref().map_or(0, |phase| {
            *known.entry(phase).or_insert_with(|| {
                phases.push(phase);
                phases.len() as u64
            })
        });
        numbers.push(number);
    }
    put(body, phases.len() as u64);
    for phase in phases {
        put(body, phase.len() as u64);
        body.extend(phase.as_bytes());
    }
    for number in numbers {
        put(body, number);
    }
}

fn take_phases(rest: &mut Rest<'_>, samples: &mut [Sample]) -> Result<(), PackingError> {
    let count = rest.count(1)?;
    if count > samples.len() {
        return Err(PackingError::Damaged("it has more phases than samples"));
    }
    let mut phases = Vec::with_capacity(count);
    for _ in 0..count {
        let length = rest.count(1)?;
        if length > MAX_PHASE_BYTES {
            return Err(PackingError::Damaged("a phase is too long"));
        }
        let text = std::str::from_utf8(rest.bytes(length)?);
        phases.push(text.map_err(|_| PackingError::Damaged("a phase is no text"))?);
    }
    for sample in samples {
        let number = usize::try_from(rest.number()?).unwrap_or(usize::MAX);
        if let Some(index) = number.checked_sub(1) {
            let phase = phases.get(index);
            let phase = *phase.ok_or(PackingError::Damaged("a phase is missing"))?;
            sample.phase = Some(phase.to_owned());
        }
    }
    Ok(())
}

fn inflate(compressed: &[u8]) -> Result<Vec<u8>, PackingError> {
    let mut inflater = Decompress::new(true);
    let mut body = Vec::new();
    loop {
        body.reserve(INFLATE_STEP_BYTES);
        let before = (inflater.total_in(), inflater.total_out());
        // No more bytes come in than there are, so it never exceeds the slice.
        let rest = &compressed[before.0 as usize..];
        let status = inflater
            .decompress_vec(rest, &mut body, FlushDecompress::None)
            .map_err(|_| PackingError::Damaged("it does not decompress"))?;
        if body.len() > MAX_INFLATED_BYTES {
            return Err(PackingError::Damaged("it decompresses without end"));
        }
        if status == Status::StreamEnd {
            break;
        }
        if before == (inflater.total_in(), inflater.total_out()) {
            return Err(PackingError::Damaged("its end is missing"));
        }
    }
    if inflater.total_in() < compressed.len() as u64 {
        return Err(PackingError::Damaged("something follows its end"));
    }
    Ok(body)
}

fn blank() -> Sample {
    Sample {
        sequence: 0,
        time: Timestamp::UNIX_EPOCH,
        latitude_e7: 0,
        longitude_e7: 0,
        altitude_ft: None,
        heading_deg: None,
        ground_speed_kt: None,
        indicated_airspeed_kt: None,
        vertical_speed_fpm: None,
        fuel_kg: None,
        phase: None,
    }
}

/// Small for small differences of either sign. Differences of times and of 32-bit numbers leave room for one more.
fn zigzag(number: i64) -> u64 {
    ((number << 1) ^ (number >> 63)).cast_unsigned()
}

fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -(number & 1).cast_signed()
}

/// LEB128: seven bits a byte, the lowest first.
fn put(body: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        body.push(number as u8 | 0x80);
        number >>= 7;
    }
    body.push(number as u8);
}

/// What has not been read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn number(&mut self) -> Result<u64, PackingError> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.bytes(1)?[0];
            let bits = u64::from(byte & 0x7f);
            number |= bits << shift;
            if (bits << shift) >> shift != bits {
                break;
            }
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(PackingError::Damaged("a number is too long"))
    }

    /// A number of things that take at least so many bytes each: never more than there can be.
    fn count(&mut self, least_bytes: usize) -> Result<usize, PackingError> {
        let count = self.number()?;
        let possible = self.0.len() / least_bytes;
        let count = usize::try_from(count)
            .ok()
            .filter(|count| *count <= possible);
        count.ok_or(PackingError::Damaged("it counts more than it holds"))
    }

    fn bytes(&mut self, length: usize) -> Result<&'a [u8], PackingError> {
        let split = self.0.split_at_checked(length);
        let (bytes, rest) = split.ok_or(PackingError::Damaged("it ends too early"))?;
        self.0 = rest;
        Ok(bytes)
    }
}

//! Releases that declare other columns, or documents, share a database: a lane's tables and checkpoint are there once for each shape.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest, Sha256};

use crate::adapters::tables::layout;
use crate::ports::read_model::Table;

/// What all tables of a lane look like, as a part of their names: nothing for the shape that the database began with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape(Option<u32>);

impl Shape {
    pub const FIRST: Self = Self(None);

    fn of(tables: &[&Table]) -> Self {
        let described = tables
            .iter()
            .map(|it| format!("{} {}\n", it.name, layout(it)));
        let described: BTreeSet<String> = described.collect();
        let digest = Sha256::digest(described.into_iter().collect::<String>());
        let [a, b, c, d, ..] = <[u8; 32]>::from(digest);
        Self(Some(u32::from_be_bytes([a, b, c, d])))
    }

    /// The name of a table or lane of this shape.
    pub fn name(self, name: &str) -> String {
        format!("{name}{self}")
    }
}

impl fmt::Display for Shape {
    /// Behind a character that no declared name has.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => Ok(()),
            Some(digest) => write!(f, "@{digest:08x}"),
        }
    }
}

/// A table that the database has, as was noted when it was made.
#[derive(sqlx::FromRow)]
pub struct Made {
    pub name: String,
    pub lane: String,
    pub layout: String,
}

/// The shape of this release's tables of a lane, and whether they are there.
pub fn choose(lane: &str, tables: &[&Table], made: &[Made]) -> (Shape, bool) {
    let own = Shape::of(tables);
    let is_made = |shape: Shape| {
        let lane = shape.name(lane);
        let found = made.iter().filter(|it| it.lane == lane);
        let found: BTreeSet<_> = found
            .map(|it| (it.name.clone(), it.layout.clone()))
            .collect();
        let wanted = tables.iter().map(|it| (shape.name(it.name), layout(it)));
        found == wanted.collect()
    };
    let began = made
        .iter()
        .any(|it| it.lane.split('@').next() == Some(lane));
    if !began || is_made(Shape::FIRST) {
        return (Shape::FIRST, began);
    }
    (own, is_made(own))
}

pub fn by_lane(tables: &[&'static Table]) -> BTreeMap<&'static str, Vec<&'static Table>> {
    let mut lanes = BTreeMap::<_, Vec<_>>::new();
    for table in tables {
        lanes.entry(table.lane).or_default().push(*table);
    }
    lanes
}

/// Of each lane this release's shape and tables.
pub type Chosen = BTreeMap<&'static str, (Shape, Vec<&'static Table>)>;

/// What this process uses of the read model.
#[derive(Clone, Default)]
pub struct Shapes(Arc<Mutex<Chosen>>);

impl Shapes {
    pub fn note(&self, chosen: Chosen) {
        self.lock().extend(chosen);
    }

    /// Of a lane without tables, and before they are prepared, the first one.
    pub fn of(&self, lane: &str) -> Shape {
        let own = self.lock();
        own.get(lane).map_or(Shape::FIRST, |(shape, _)| *shape)
    }

    /// The names of this release's lanes in the database.
    pub fn lanes(&self) -> Vec<String> {
        let own = self.lock();
        let lanes = own.iter();
        lanes.map(|(lane, (shape, _))| shape.name(lane)).collect()
    }

    /// This release's tables.
    pub fn tables(&self) -> Vec<&'static Table> {
        let own = self.lock();
        own.values().flat_map(|(_, it)| it).copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Chosen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a look at the database's tables comes to.
pub struct Look {
    /// Some of this release's tables are not there any more.
    pub missing: bool,
    /// Lanes of other releases, each once.
    pub others: BTreeSet<String>,
}

impl Look {
    pub fn at(made: &[Made], shapes: &Shapes) -> Self {
        let own = shapes.lanes();
        let mut others: BTreeSet<String> = made.iter().map(|it| it.lane.clone()).collect();
        let missing = own.iter().filter(|lane| !others.remove(*lane)).count() > 0;
        Self { missing, others }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::read_model::{Column, ColumnKind};

    const fn table(name: &'static str, columns: &'static [Column]) -> Table {
        let lane = "flights";
        Table {
            name,
            lane,
            revision: 1,
            columns,
        }
    }
    const STATE: Column = Column {
        name: "state",
        kind: ColumnKind::Text,
    };
    const PIREPS_AS_BEGUN: Table = table("pireps", &[STATE]);
    static PIREPS: Table = PIREPS_AS_BEGUN;
    static BIDS: Table = table("bids", &[]);

    fn made(shape: Shape, tables: &[&Table]) -> Vec<Made> {
        let made = tables.iter().map(|it| Made {
            name: shape.name(it.name),
            lane: shape.name(it.lane),
            layout: layout(it),
        });
        made.collect()
    }

    #[test]
    fn names_of_a_shape_are_for_ever() {
        let shape = Shape::of(&[&PIREPS, &BIDS]);
        assert_eq!(shape, Shape::of(&[&BIDS, &PIREPS]));
        assert_eq!(shape.name("pireps"), "pireps@37ef5c45");
        assert_ne!(shape, Shape::of(&[&PIREPS]));
        static REVISED: Table = Table {
            revision: 2,
            ..PIREPS_AS_BEGUN
        };
        let revised = Shape::of(&[&REVISED, &BIDS]);
        assert_eq!(revised.name("pireps"), "pireps@e6b97df0");
        assert_eq!(Shape::FIRST.name("pireps"), "pireps");
    }

    #[test]
    fn what_a_database_began_with_keeps_plain_names_and_nothing_else_gets_them() {
        let (both, one): ([&Table; 2], [&Table; 1]) = ([&PIREPS, &BIDS], [&PIREPS]);
        let choose = |tables: &[&Table], made: &[Made]| choose("flights", tables, made);
        let (first, own) = (Shape::FIRST, Shape::of(&both));
        assert_eq!(choose(&both, &[]), (first, false));
        assert_eq!(choose(&both, &made(first, &both)), (first, true));
        assert_eq!(choose(&both, &made(first, &one)), (own, false));
        let side_by_side: Vec<Made> = [made(first, &one), made(own, &both)]
            .into_iter()
            .flatten()
            .collect();
        assert_eq!(choose(&both, &side_by_side), (own, true));
        assert_eq!(choose(&one, &side_by_side), (first, true));
        // A process of that release may still be about to write under the plain names.
        assert_eq!(choose(&one, &made(own, &both)), (Shape::of(&one), false));
    }
}

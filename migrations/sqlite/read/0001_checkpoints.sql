-- The read model is disposable: its tables are made by the lanes that fill them.

CREATE TABLE checkpoints (
    lane TEXT PRIMARY KEY,
    epoch BLOB NOT NULL,
    position INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What each table looked like when it was made; a table that looks different now is made anew.
CREATE TABLE layouts (
    name TEXT PRIMARY KEY,
    lane TEXT NOT NULL,
    layout TEXT NOT NULL
) STRICT, WITHOUT ROWID;

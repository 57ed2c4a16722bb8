//! The schema of each API, read from the protocol crate's files.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use xtask::parse::parse;
use xtask::schema::{Field, Kind, Struct, Type};

/// An API with its messages.
#[derive(Debug)]
pub(crate) struct Api {
    /// Its number.
    pub(crate) key: i16,
    /// First and last version that is served.
    pub(crate) versions: (i16, i16),
    flexible: Option<i16>,
    structs: Vec<Struct>,
}

static APIS: LazyLock<BTreeMap<String, Api>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/protocol/schema");
    let mut apis = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("the schema folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|end| end == "kmsg") {
            let file = parse(&fs::read_to_string(&path).expect("a schema")).expect("a right schema");
            if let Some(api) = file.api {
                let versions = (api.versions.first, api.versions.last);
                let read = Api { key: api.key, versions, flexible: api.flexible, structs: file.structs };
                apis.insert(api.name, read);
            }
        }
    }
    apis
});

impl Api {
    /// The API of that name.
    pub(crate) fn of(name: &str) -> &'static Api {
        APIS.get(name).unwrap_or_else(|| panic!("no API is named {name}"))
    }

    /// Whether lengths are varints and tags follow in that version.
    pub(crate) fn is_flexible(&self, version: i16) -> bool {
        self.flexible.is_some_and(|first| version >= first)
    }

    /// The request, or the response.
    pub(crate) fn message(&self, kind: Kind) -> &Struct {
        self.structs.iter().find(|each| each.kind == kind).expect("both are in the file")
    }

    /// The struct that a type names.
    pub(crate) fn named(&self, ty: &Type) -> &Struct {
        let name = ty.word();
        self.structs.iter().find(|each| each.name == name).expect("every used struct is defined")
    }
}

/// Whether a version has the field.
pub(crate) fn has(field: &Field, version: i16) -> bool {
    (field.versions.first..=field.versions.last).contains(&version)
}

/// Whether the field may be null in a version.
pub(crate) fn may_be_null(field: &Field, version: i16) -> bool {
    field.nullable.is_some_and(|versions| (versions.first..=versions.last).contains(&version))
}

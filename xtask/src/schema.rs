//! The parsed schema of one file. Invariant: every version range lies within the API's, every struct is defined once,
//! every use of a struct names a defined one (`parse` checks, `emit` relies on it).

/// An inclusive range of versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Versions {
    /// First version.
    pub first: i16,
    /// Last version, included.
    pub last: i16,
}

impl Versions {
    /// Whether `other` lies inside.
    pub fn covers(self, other: Self) -> bool {
        self.first <= other.first && other.last <= self.last
    }

    /// What is in both.
    pub fn and(self, other: Self) -> Option<Self> {
        let both = Self { first: self.first.max(other.first), last: self.last.min(other.last) };
        (both.first <= both.last).then_some(both)
    }
}

/// The type of a field, apart from null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Type {
    /// `bool`
    Bool,
    /// `i8`
    I8,
    /// `i16`
    I16,
    /// `u16`
    U16,
    /// `i32`
    I32,
    /// `i64`
    I64,
    /// `f64`
    F64,
    /// `string`
    String,
    /// `bytes`
    Bytes,
    /// `uuid`
    Uuid,
    /// `records`
    Records,
    /// `error`
    Error,
    /// A struct's name.
    Struct(String),
    /// `[]T`
    Array(Box<Type>),
}

impl Type {
    /// All but structs and arrays.
    pub const SIMPLE: [Self; 12] = [
        Self::Bool,
        Self::I8,
        Self::I16,
        Self::U16,
        Self::I32,
        Self::I64,
        Self::F64,
        Self::String,
        Self::Bytes,
        Self::Uuid,
        Self::Records,
        Self::Error,
    ];

    /// The notation's word; of scalars also the name of the codec's functions.
    pub fn word(&self) -> &str {
        match self {
            Self::Bool => "bool",
            Self::I8 => "i8",
            Self::I16 => "i16",
            Self::U16 => "u16",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::F64 => "f64",
            Self::String => "string",
            Self::Bytes => "bytes",
            Self::Uuid => "uuid",
            Self::Records => "records",
            Self::Error => "error",
            Self::Struct(name) => name,
            Self::Array(_) => "[]",
        }
    }
}

/// What a field holds when nothing was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Default {
    /// Zero, empty, false, a struct of defaults.
    Natural,
    /// Null.
    Null,
    /// A number.
    Number(i64),
    /// The text `true`.
    True,
}

/// One field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Kafka's name, camelCase.
    pub name: String,
    /// Its type.
    pub ty: Type,
    /// Versions that have it.
    pub versions: Versions,
    /// Versions in which it may be null.
    pub nullable: Option<Versions>,
    /// Its default.
    pub default: Default,
    /// Its tag, if it is a tagged field.
    pub tag: Option<u32>,
    /// Whether versions that lack it drop its value.
    pub ignorable: bool,
    /// Whether its length is never a varint (the header's client id).
    pub inflexible: bool,
}

/// What a struct is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A request.
    Request,
    /// A response.
    Response,
    /// Something of its own: a header, data inside other messages.
    Data,
    /// Part of a message.
    Inner,
}

/// A struct or message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Struct {
    /// Its Rust name.
    pub name: String,
    /// What it is for.
    pub kind: Kind,
    /// Versions in which it occurs.
    pub versions: Versions,
    /// First flexible version.
    pub flexible: Option<i16>,
    /// Its fields, in the order of the wire.
    pub fields: Vec<Field>,
}

/// The API of a file (`headers.kmsg` and the like have none).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Api {
    /// Its number.
    pub key: i16,
    /// Its name.
    pub name: String,
    /// Versions that are served.
    pub versions: Versions,
    /// Versions that ApiVersions tells.
    pub advertise: Versions,
    /// First flexible version.
    pub flexible: Option<i16>,
}

/// One schema file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The comment at its top.
    pub doc: Vec<String>,
    /// The API, if it is one's.
    pub api: Option<Api>,
    /// Messages and structs, in the order of the file.
    pub structs: Vec<Struct>,
}

/// `fooBar` and `FooBar` to `foo_bar`; Rust's words get `r#`.
pub fn snake(name: &str) -> String {
    let mut out = String::new();
    for (i, c) in name.chars().enumerate() {
        if c.is_uppercase() && i > 0 {
            out.push('_');
        }
        out.extend(c.to_lowercase());
    }
    if matches!(out.as_str(), "type" | "match" | "ref" | "use" | "move") { format!("r#{out}") } else { out }
}

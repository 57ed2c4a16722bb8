//! Parser of the schema notation (`crates/protocol/schema/README.md`).
//! Errors name the line and what was expected there. Indentation, two spaces a level, makes the structure.

use crate::schema::{Api, Default, Field, File, Kind, Struct, Type, Versions};
use std::collections::BTreeMap;

/// Parses one file.
///
/// # Errors
/// A text of the form `line N: what is wrong`.
pub fn parse(text: &str) -> Result<File, String> {
    let mut parser = Parser::default();
    for (number, line) in text.lines().enumerate() {
        parser.line(line).map_err(|what| format!("line {}: {what}", number + 1))?;
    }
    parser.finish()
}

#[derive(Default)]
struct Parser {
    doc: Vec<String>,
    key: Option<(i16, String)>,
    versions: Option<Versions>,
    advertise: Option<Versions>,
    flexible: Option<i16>,
    structs: Vec<Struct>,
    /// One for each level of indentation.
    open: Vec<Open>,
}

/// Where a line may put its field.
enum Open {
    /// Into this one of `structs`.
    Struct(usize),
    /// Into a struct that begins if a line comes.
    Named(String, Versions),
    /// Nowhere: the field above is no struct.
    Closed,
}

impl Parser {
    fn line(&mut self, line: &str) -> Result<(), String> {
        let (code, comment) = line.split_once('#').map_or((line, None), |(code, said)| (code, Some(said)));
        if code.trim().is_empty() {
            if let Some(said) = comment
                && self.key.is_none()
                && self.structs.is_empty()
            {
                self.doc.push(said.trim().to_owned());
            }
            return Ok(());
        }
        let indent = code.len() - code.trim_start().len();
        let words: Vec<&str> = code.split_whitespace().collect();
        if indent > 0 { self.field(indent, &words) } else { self.head(&words) }
    }

    fn head(&mut self, words: &[&str]) -> Result<(), String> {
        match *words {
            ["api", key, name] => {
                let key = key.parse().map_err(|_| format!("`{key}` is no API key"))?;
                self.key = Some((key, name.to_owned()));
            }
            ["versions", range] => self.versions = Some(versions(range, None)?),
            ["advertise", range] => self.advertise = Some(versions(range, None)?),
            ["flexible", from] => {
                let from = from.strip_suffix('+').ok_or("flexible needs the form `4+`")?;
                self.flexible = Some(from.parse().map_err(|_| format!("`{from}` is no version"))?);
            }
            ["request"] => self.message("Request", Kind::Request)?,
            ["response"] => self.message("Response", Kind::Response)?,
            ["struct", name] => self.begin(name, Kind::Inner, self.served()?)?,
            ["data", name] => {
                (self.versions, self.flexible) = (None, None);
                let unknown = Versions { first: 0, last: i16::MAX };
                self.begin(name, Kind::Data, unknown)?;
            }
            _ => {
                return Err(format!(
                    "`{}`: expected api, versions, advertise, flexible, request, response, struct or data",
                    words.join(" ")
                ));
            }
        }
        if let Some(data) = self.structs.last_mut()
            && data.kind == Kind::Data
        {
            data.versions = self.versions.unwrap_or(data.versions);
            data.flexible = self.flexible;
        }
        Ok(())
    }

    fn served(&self) -> Result<Versions, String> {
        self.versions.ok_or_else(|| "`versions` has to come first".to_owned())
    }

    fn message(&mut self, suffix: &str, kind: Kind) -> Result<(), String> {
        let (_, api) = self.key.as_ref().ok_or("`api` has to come first")?;
        let name = format!("{api}{suffix}");
        self.begin(&name, kind, self.served()?)
    }

    fn begin(&mut self, name: &str, kind: Kind, versions: Versions) -> Result<(), String> {
        self.open = vec![Open::Struct(self.add(name, kind, versions)?)];
        Ok(())
    }

    fn add(&mut self, name: &str, kind: Kind, versions: Versions) -> Result<usize, String> {
        if self.structs.iter().any(|s| s.name == name) {
            return Err(format!("struct {name} is defined twice"));
        }
        let flexible = self.flexible;
        self.structs.push(Struct { name: name.to_owned(), kind, versions, flexible, fields: Vec::new() });
        Ok(self.structs.len() - 1)
    }

    fn field(&mut self, indent: usize, words: &[&str]) -> Result<(), String> {
        if !indent.is_multiple_of(2) || indent / 2 > self.open.len() {
            return Err(format!("indented by {indent}: expected 2 spaces a level, one level deeper at most"));
        }
        self.open.truncate(indent / 2);
        let parent = match self.open.pop() {
            Some(Open::Struct(parent)) => parent,
            Some(Open::Named(name, within)) => self.add(&name, Kind::Inner, within)?,
            Some(Open::Closed) => return Err("the field above has no struct type".to_owned()),
            None => return Err("a field needs a request, response or struct above it".to_owned()),
        };
        self.open.push(Open::Struct(parent));
        let field = field(words, self.structs[parent].versions)?;
        if self.structs[parent].fields.iter().any(|f| f.name == field.name) {
            return Err(format!("field {} is defined twice", field.name));
        }
        if field.tag.is_some() && self.flexible.is_none_or(|from| field.versions.first < from) {
            return Err(format!("{} is tagged in versions that are not flexible", field.name));
        }
        self.open.push(match struct_name(&field.ty) {
            Some(name) => Open::Named(name.to_owned(), field.versions),
            None => Open::Closed,
        });
        self.structs[parent].fields.push(field);
        Ok(())
    }

    fn finish(self) -> Result<File, String> {
        let api = match self.key {
            None => None,
            Some((key, name)) => {
                let versions = self.versions.ok_or("no `versions`")?;
                let advertise = self.advertise.unwrap_or(versions);
                Some(Api { key, name, versions, advertise, flexible: self.flexible })
            }
        };
        check_uses(&self.structs)?;
        Ok(File { doc: self.doc, api, structs: self.structs })
    }
}

fn check_uses(structs: &[Struct]) -> Result<(), String> {
    let by_name: BTreeMap<&str, &Struct> = structs.iter().map(|s| (s.name.as_str(), s)).collect();
    for holder in structs {
        for field in &holder.fields {
            let Some(used) = struct_name(&field.ty) else { continue };
            match by_name.get(used) {
                Some(used) if used.fields.is_empty() => {
                    return Err(format!("struct {} has no fields", used.name));
                }
                Some(used) if !used.versions.covers(field.versions) => {
                    return Err(format!(
                        "{}.{} uses {} in versions it lacks",
                        holder.name, field.name, used.name
                    ));
                }
                Some(_) => {}
                None => return Err(format!("{}.{}: no struct {used}", holder.name, field.name)),
            }
        }
        let mut tags: Vec<u32> = holder.fields.iter().filter_map(|f| f.tag).collect();
        tags.sort_unstable();
        if tags.windows(2).any(|pair| pair[0] == pair[1]) {
            return Err(format!("struct {} uses a tag twice", holder.name));
        }
    }
    Ok(())
}

fn struct_name(ty: &Type) -> Option<&str> {
    match ty {
        Type::Struct(name) => Some(name),
        Type::Array(inner) => struct_name(inner),
        _ => None,
    }
}

fn field(words: &[&str], within: Versions) -> Result<Field, String> {
    let [name, ty, range, rest @ ..] = words else {
        return Err("a field needs name, type, versions".to_owned());
    };
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(|c| c.is_ascii_alphanumeric())
    {
        return Err(format!("`{name}` is no camelCase name"));
    }
    let range = versions(range, Some(within.last))?;
    if !within.covers(range) {
        return Err(format!("{name} has versions its struct lacks"));
    }
    let (ty, null) = ty.split_once('?').map_or((*ty, None), |(ty, null)| (ty, Some(null)));
    let nullable = match null {
        None => None,
        Some("") => Some(range),
        Some(null) => Some(versions(null, Some(within.last))?),
    };
    let mut field = Field {
        name: (*name).to_owned(),
        ty: type_of(ty)?,
        versions: range,
        nullable,
        default: Default::Natural,
        tag: None,
        ignorable: false,
        inflexible: false,
    };
    let mut rest = rest.iter();
    while let Some(word) = rest.next() {
        match *word {
            "=" => field.default = default(rest.next().ok_or("`=` needs a value")?)?,
            "tag" => {
                let tag = rest.next().ok_or("`tag` needs a number")?;
                field.tag = Some(tag.parse().map_err(|_| format!("`{tag}` is no tag"))?);
            }
            "ignorable" => field.ignorable = true,
            "inflexible" => field.inflexible = true,
            other => return Err(format!("`{other}`: expected =, tag, ignorable or inflexible")),
        }
    }
    default_fits(&field)?;
    shape_fits(&field)?;
    Ok(field)
}

/// What the wire has no form for.
fn shape_fits(field: &Field) -> Result<(), String> {
    let name = &field.name;
    let scalar =
        !matches!(field.ty, Type::String | Type::Bytes | Type::Records | Type::Struct(_) | Type::Array(_));
    match &field.ty {
        ty if scalar && field.nullable.is_some() => Err(format!("{name}: {} cannot be null", ty.word())),
        Type::Struct(_) if field.nullable.is_some_and(|null| null != field.versions) => {
            Err(format!("{name}: a struct is nullable in all its versions or in none"))
        }
        Type::Array(inner) if matches!(**inner, Type::Array(_)) => {
            Err(format!("{name}: no arrays of arrays"))
        }
        Type::Array(inner) if matches!(**inner, Type::Bytes | Type::Records) => {
            Err(format!("{name}: no arrays of {}", inner.word()))
        }
        _ => Ok(()),
    }
}

fn default_fits(field: &Field) -> Result<(), String> {
    let fits = match field.default {
        Default::Natural => true,
        Default::Null => field.nullable.is_some(),
        Default::Number(number) => match field.ty {
            Type::I8 => i8::try_from(number).is_ok(),
            Type::I16 => i16::try_from(number).is_ok(),
            Type::U16 => u16::try_from(number).is_ok(),
            Type::I32 => i32::try_from(number).is_ok(),
            ref ty => *ty == Type::I64,
        },
        Default::True => field.ty == Type::Bool,
    };
    if fits { Ok(()) } else { Err(format!("the default of {} does not fit its type", field.name)) }
}

fn default(word: &str) -> Result<Default, String> {
    match word {
        "null" => Ok(Default::Null),
        "true" => Ok(Default::True),
        number => number.parse().map(Default::Number).map_err(|_| format!("`{number}` is no default")),
    }
}

fn type_of(word: &str) -> Result<Type, String> {
    if let Some(inner) = word.strip_prefix("[]") {
        return Ok(Type::Array(Box::new(type_of(inner)?)));
    }
    if let Some(simple) = Type::SIMPLE.iter().find(|simple| simple.word() == word) {
        return Ok(simple.clone());
    }
    Ok(match word {
        name if name.starts_with(|c: char| c.is_ascii_uppercase()) => Type::Struct(name.to_owned()),
        other => return Err(format!("`{other}` is no type")),
    })
}

/// `4`, `4-7`, or `4+` where the last version is known.
fn versions(word: &str, last: Option<i16>) -> Result<Versions, String> {
    let bad = |_| format!("`{word}` is no range of versions: expected 4, 4-7 or 4+");
    let range = if let Some(first) = word.strip_suffix('+') {
        let last = last.ok_or_else(|| format!("`{word}`: the range needs an end"))?;
        Versions { first: first.parse().map_err(bad)?, last }
    } else if let Some((first, last)) = word.split_once('-') {
        Versions { first: first.parse().map_err(bad)?, last: last.parse().map_err(bad)? }
    } else {
        let only = word.parse().map_err(bad)?;
        Versions { first: only, last: only }
    };
    if range.first > range.last { Err(format!("`{word}` is empty")) } else { Ok(range) }
}

#[cfg(test)]
mod tests;

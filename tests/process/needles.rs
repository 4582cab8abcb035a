//! What must not be found, and a search that finds it however it is spelled.

/// A text that must not leave.
#[derive(Debug, Clone)]
pub(crate) struct Needle {
    /// The whole text.
    text: String,
    /// A word in it that no spelling changes: letters and digits only, found nowhere else.
    core: String,
}

impl Needle {
    /// A text that holds `core`.
    pub(crate) fn new(text: &str, core: &str) -> Needle {
        assert!(text.contains(core) && core.len() >= 8 && core.bytes().all(|b| b.is_ascii_alphanumeric()));
        Needle { text: text.to_owned(), core: core.to_owned() }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The spellings that a program or a driver is likely to use.
    pub(crate) fn spellings(&self) -> Vec<String> {
        let json = serde_json::to_string(&self.text).unwrap();
        vec![
            self.text.clone(),
            percent_encoded(&self.text),
            percent_encoded(&self.text).to_lowercase(),
            braced(&self.text),
            self.text.replace('\\', "\\\\").replace('\'', "\\'"),
            format!("{:?}", self.text).trim_matches('"').to_owned(),
            json.trim_matches('"').to_owned(),
            self.text.to_uppercase(),
        ]
    }

    /// Whether `text` says it, in one of the spellings or by its core in whatever case.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        self.spellings().iter().any(|spelling| text.contains(spelling))
            || text.to_lowercase().contains(&self.core.to_lowercase())
    }
}

pub(crate) fn percent_encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

/// As in an ODBC string, within `{` and `}`.
pub(crate) fn braced(text: &str) -> String {
    text.replace('}', "}}")
}

/// What was seen of the library, and by which channel.
#[derive(Debug, Default)]
pub(crate) struct Evidence(Vec<(String, String)>);

impl Evidence {
    pub(crate) fn add(&mut self, channel: impl Into<String>, text: impl Into<String>) {
        self.0.push((channel.into(), text.into()));
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The channels by which a needle came through.
    pub(crate) fn finds<'n>(&self, needles: impl IntoIterator<Item = &'n Needle> + Clone) -> Vec<String> {
        self.0
            .iter()
            .flat_map(|(channel, text)| {
                let found = needles.clone().into_iter().filter(|needle| needle.is_in(text));
                found.map(move |needle| format!("{} by {channel}: {text}", needle.core))
            })
            .collect()
    }
}

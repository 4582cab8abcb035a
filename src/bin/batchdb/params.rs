//! Parameters as they are written on a command line.

use batchdb::{Params, record};
use serde_json::{Map, Value as Json};

/// Reads `name=text` and `name:=JSON`. The problem names the parameter and quotes no value.
pub(crate) fn parse(given: &[String]) -> Result<Params, String> {
    given.iter().try_fold(Params::new(), |params, text| {
        let (name, value) =
            text.split_once('=').ok_or("a parameter has the form name=value, or name:=JSON".to_owned())?;
        let Some(name) = name.strip_suffix(':') else {
            return Ok(params.set(checked(name)?, value));
        };
        let json: Json = serde_json::from_str(value).map_err(|_| {
            format!("what follows `{name}:=` is not JSON; text goes without the colon: `{name}=`")
        })?;
        // A record of one field knows which value of ours each kind of JSON is.
        let fields = record(&Map::from_iter([(name.to_owned(), json)])).map_err(|error| error.to_string())?;
        let value = fields.get(name).cloned().unwrap_or(batchdb::Value::Null);
        Ok(params.set(checked(name)?, value))
    })
}

fn checked(name: &str) -> Result<&str, String> {
    let is_name = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    if is_name { Ok(name) } else { Err("a parameter's name is made of letters, digits and `_`".to_owned()) }
}

#[cfg(test)]
mod tests {
    use batchdb::Value;

    use super::*;

    fn read(given: &[&str]) -> Result<Params, String> {
        parse(&given.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn text_is_text_and_json_has_a_kind() {
        let params = read(&["a=7", "b:=7", "c:=[1,null]", "d=x=y:=z", "e=", "f:=\"7\""]).unwrap();
        let of = |name| params.get(name).unwrap().clone();
        assert_eq!(of("a"), Value::from("7"));
        assert_eq!(of("b"), Value::from(7));
        assert_eq!(of("c"), Value::from(vec![Value::from(1), Value::Null]));
        assert_eq!(of("d"), Value::from("x=y:=z"));
        assert_eq!(of("e"), Value::from(""));
        assert_eq!(of("f"), Value::from("7"));
    }

    #[test]
    fn what_is_wrong_is_told_without_its_value() {
        for wrong in ["hunter2", "=hunter2", "a b=hunter2", "a:=hunter2"] {
            let problem = read(&[wrong]).unwrap_err();
            assert!(!problem.contains("hunter2"), "{problem}");
        }
    }
}

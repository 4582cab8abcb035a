//! The manifests of `examples/kubernetes`: they are YAML, what they refer to is there, and the settings in them are
//! settings of the library.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use batchdb::{DatabaseManager, Settings};
use saphyr::{LoadableYamlNode, Yaml};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/kubernetes")
}

fn read(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap()
}

/// The names of the files with manifests.
fn names() -> Vec<String> {
    let files =
        fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names: Vec<String> = files.filter(|name| name.ends_with(".yaml")).collect();
    assert!(names.len() >= 4, "{names:?}");
    names
}

fn text<'y>(yaml: &'y Yaml<'y>, what: &str) -> &'y str {
    yaml.as_str().unwrap_or_else(|| panic!("{what} is no text: {yaml:?}"))
}

/// The elements of a list; none where it is not there.
fn list<'y>(of: &'y Yaml<'y>, key: &str) -> Vec<&'y Yaml<'y>> {
    of.as_mapping_get(key).and_then(Yaml::as_vec).map(|all| all.iter().collect()).unwrap_or_default()
}

/// The names that the elements of a list have.
fn named(of: &Yaml<'_>, key: &str) -> BTreeSet<String> {
    list(of, key).iter().map(|one| text(&one["name"], key).to_owned()).collect()
}

/// All manifests, as kind, name and the whole.
fn each(mut look: impl FnMut(&str, &str, &Yaml<'_>)) {
    for file in names() {
        let source = read(&file);
        for manifest in Yaml::load_from_str(&source).unwrap_or_else(|error| panic!("{file}: {error}")) {
            assert!(manifest["apiVersion"].as_str().is_some(), "{file}");
            look(text(&manifest["kind"], &file), text(&manifest["metadata"]["name"], &file), &manifest);
        }
    }
}

/// The pods that are made, each with the name of what makes it.
fn each_pod(mut look: impl FnMut(&str, &Yaml<'_>)) {
    let mut pods = 0;
    each(|_, name, manifest| {
        if let Some(spec) = manifest.as_mapping_get("spec") {
            look(name, &spec["template"]["spec"]);
            pods += 1;
        }
    });
    assert_eq!(pods, 3);
}

#[test]
fn what_a_pod_refers_to_is_there() {
    let mut there = BTreeSet::new();
    each(|kind, name, _| {
        there.insert((kind.to_owned(), name.to_owned()));
    });
    let is_there = |kind: &str, name: &Yaml<'_>| {
        let name = text(name, kind);
        assert!(there.contains(&(kind.to_owned(), name.to_owned())), "there is no {kind} {name}");
    };
    each_pod(|pod, spec| {
        for volume in list(spec, "volumes") {
            match volume.as_mapping_get("secret") {
                Some(secret) => is_there("Secret", &secret["secretName"]),
                None => is_there("ConfigMap", &volume["configMap"]["name"]),
            }
        }
        let volumes = named(spec, "volumes");
        let containers = [list(spec, "initContainers"), list(spec, "containers")].concat();
        assert!(containers.len() >= 2, "{pod}");
        for container in containers {
            assert_eq!(named(container, "volumeMounts"), volumes, "{pod}");
            for from in list(container, "envFrom") {
                is_there("ConfigMap", &from["configMapRef"]["name"]);
            }
            assert_eq!(
                container["securityContext"]["allowPrivilegeEscalation"].as_bool(),
                Some(false),
                "{pod}"
            );
        }
    });
}

#[test]
fn probes_ask_what_the_monitor_answers() {
    let monitor =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/monitor/answer.rs")).unwrap();
    let mut probes = 0;
    each_pod(|pod, spec| {
        for container in list(spec, "containers") {
            let ports = named(container, "ports");
            for probe in ["livenessProbe", "readinessProbe"] {
                let Some(probe) = container.as_mapping_get(probe) else { continue };
                let (path, port) = (&probe["httpGet"]["path"], text(&probe["httpGet"]["port"], pod));
                assert!(monitor.contains(&format!("\"{}\" =>", text(path, pod))), "{pod}: {path:?}");
                assert!(ports.contains(port), "{pod}: no port is named {port}");
                probes += 1;
            }
            // The program's arguments say where it listens.
            let arguments: Vec<&str> =
                list(container, "args").iter().filter_map(|one| one.as_str()).collect();
            assert_eq!(arguments.contains(&"--monitor"), !ports.is_empty(), "{pod}");
        }
    });
    assert_eq!(probes, 3);
}

#[test]
fn settings_and_secrets_are_what_the_library_reads() {
    // The paths of the pod, in a folder of the test's own.
    let pod = tempfile::tempdir().unwrap();
    let inside = |path: &str| pod.path().join(path.trim_start_matches('/'));
    let moved = |text: &str| {
        ["/run/secrets", "/etc/ssl"]
            .iter()
            .fold(text.to_owned(), |text, path| text.replace(path, inside(path).to_str().unwrap()))
    };
    let mut settings = String::new();
    let mut secrets = BTreeSet::new();
    each(|kind, _, manifest| {
        for (key, value) in manifest.as_mapping_get("data").and_then(Yaml::as_mapping).into_iter().flatten() {
            let (key, value) = (text(key, kind), text(value, kind));
            if key.starts_with("PRODUCTION_") {
                settings.push_str(&format!("{key}='{}'\n", moved(value)));
            }
        }
        for (key, value) in
            manifest.as_mapping_get("stringData").and_then(Yaml::as_mapping).into_iter().flatten()
        {
            let path = inside("/run/secrets/databases").join(text(key, kind));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text(value, kind)).unwrap();
            secrets.insert(path);
        }
    });
    let authority = rcgen::generate_simple_self_signed(["ca.example".to_owned()]).unwrap().cert.pem();
    fs::create_dir_all(inside("/etc/ssl/db")).unwrap();
    fs::write(inside("/etc/ssl/db/ca.pem"), authority).unwrap();
    fs::create_dir(pod.path().join("envs")).unwrap();
    fs::write(pod.path().join("envs/.env.production"), &settings).unwrap();

    let names = Settings::configured_databases(Some("production"), Some(pod.path())).unwrap();
    assert_eq!(names.len(), 2, "{names:?}");
    for name in ["rpa_db", "SurveyHub"] {
        let built = DatabaseManager::builder(name).environment("production").home(pod.path()).build();
        let db = built.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(db.settings().is_read_only(), name == "SurveyHub");
        assert!(!format!("{:?}", db.settings()).contains("change-me"));
    }
    assert_eq!(secrets.len(), 2);
    for path in secrets {
        assert!(settings.contains(path.to_str().unwrap()), "nothing reads {}", path.display());
    }
}
/// What an init container runs is a command that there is.
#[test]
fn commands_are_those_of_the_program() {
    let program =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin/batchdb/options.rs")).unwrap();
    let program = program.to_lowercase();
    each_pod(|pod, spec| {
        for container in [list(spec, "initContainers"), list(spec, "containers")].concat() {
            let command: Vec<&str> =
                list(container, "command").iter().filter_map(|one| one.as_str()).collect();
            let Some((first, [verb, ..])) = command.split_first() else { continue };
            assert_eq!(*first, "batchdb", "{pod}");
            assert!(
                program.contains(&format!("\n    {verb}(")) || program.contains(&format!("\n    {verb} {{")),
                "{pod}: {verb}"
            );
        }
    });
}

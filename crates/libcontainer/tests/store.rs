//! What the calls about containers have in common: where the store is, the environment, warnings.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail as the test does")]

mod sandbox;

use std::ffi::OsString;
use std::sync::{Arc, Mutex};

use sandbox::Sandbox;
use tare_libcontainer::{
    Bundle, Container, CreateOptions, Error, GcOptions, Status, Store, Streams, Warning,
};

#[test]
fn a_store_is_absolute_and_need_not_be_there() {
    let store = Store::open("some/where").unwrap();
    let expected = std::env::current_dir().unwrap().join("some/where");
    assert_eq!(store.root(), expected);
    assert_eq!(store.ids().unwrap(), [""; 0]);
    assert!(
        tare_libcontainer::gc(&store, &GcOptions::default())
            .unwrap()
            .is_empty()
    );
    assert!(Container::open(&store, "a").unwrap_err().is_not_found());
    assert_eq!(Container::all(&store).unwrap().count(), 0);
    assert!(matches!(
        Store::open(""),
        Err(Error::Argument { name: "root", .. })
    ));
}

#[test]
fn all_containers_are_there_in_order_and_what_is_wrong_with_one_hides_no_other() {
    let Some(sandbox) = Sandbox::new("all") else {
        return;
    };
    let store = &sandbox.store;
    let ids = ["c", "a", "b"].map(|name| sandbox.id(name));
    let bundle = sandbox.config("exit 0", false);
    for id in &ids {
        Container::create(store, id, &bundle, quiet()).unwrap();
    }
    let record = store.root().join(&ids[1]).join("state.json");
    let kept = std::fs::read(&record).unwrap();
    std::fs::write(&record, "{\"no").unwrap();
    // Neither is a container.
    std::fs::create_dir(store.root().join("empty")).unwrap();
    std::fs::write(store.root().join("note"), "").unwrap();
    let found: Vec<(String, Option<Status>)> = Container::all(store)
        .unwrap()
        .map(|(id, container)| {
            let status = |container: Container| container.status().unwrap();
            (id, container.ok().map(status))
        })
        .collect();
    let expected = [
        (ids[1].clone(), None),
        (ids[2].clone(), Some(Status::Created)),
        (ids[0].clone(), Some(Status::Created)),
    ];
    assert_eq!(found, expected);
    std::fs::write(&record, kept).unwrap();
    // One that goes while somebody looks is not an error.
    let mut rest = Container::all(store).unwrap();
    assert_eq!(rest.next().unwrap().0, ids[1]);
    for id in &ids {
        Container::delete(store, id, true).unwrap();
    }
    assert_eq!(rest.count(), 0);
}

/// The sandbox's store with somebody who notes the warnings.
fn noting(store: &Store) -> (Store, impl Fn() -> Vec<Warning> + use<>) {
    let noted = Arc::new(Mutex::new(Vec::new()));
    let taker = Arc::clone(&noted);
    let store = store
        .clone()
        .with_warnings(move |warning| taker.lock().unwrap().push(warning));
    (store, move || std::mem::take(&mut *noted.lock().unwrap()))
}

fn quiet() -> CreateOptions {
    let mut options = CreateOptions::default();
    options.streams = Streams::null();
    options
}

#[test]
fn warnings_are_values() {
    let Some(sandbox) = Sandbox::new("warnings") else {
        return;
    };
    let (store, warnings) = noting(&sandbox.store);
    let id = sandbox.id("a");
    let text = sandbox.config("exit 0", false).text().to_owned();
    let hooks = r#""hooks":{"poststop":[{"path":"/bin/false"}]},"Hostnam":"x","#;
    let text = text.replacen('{', &format!("{{{hooks}"), 1);
    let bundle = Bundle::from_text(&sandbox.path, text);
    let created = Container::run(&store, &id, &bundle, quiet()).unwrap();
    let found = warnings();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((&found[0].container, &*found[0].config), (&id, "Hostnam"));
    assert!(
        found[0].to_string().starts_with("Hostnam: "),
        "{}",
        found[0]
    );

    created.process.wait().unwrap();
    created.container.remove(false).unwrap();
    let found = warnings();
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].text.contains("error running poststop hook #0"),
        "{found:?}"
    );

    // Of a call with another copy of the store nobody is told.
    let created = Container::run(&sandbox.store, &id, &bundle, quiet()).unwrap();
    created.process.wait().unwrap();
    Container::delete(&sandbox.store, &id, true).unwrap();
    assert_eq!(warnings(), []);
}

#[test]
fn the_environment_is_what_the_caller_says() {
    let Some(sandbox) = Sandbox::new("environment") else {
        return;
    };
    let seen = |store: &Store| {
        let (id, file) = (sandbox.id("a"), sandbox.path.join("seen"));
        let line = format!("cat /proc/self/environ > {}", file.display());
        let hooks = format!(
            r#""hooks":{{"poststart":[{{"path":"/bin/sh","args":["sh","-c",{line:?}]}}]}},"#
        );
        let text = sandbox.config("exit 0", false).text().to_owned();
        let bundle = Bundle::from_text(&sandbox.path, text.replacen('{', &format!("{{{hooks}"), 1));
        let created = Container::run(store, &id, &bundle, quiet()).unwrap();
        created.process.wait().unwrap();
        created.container.remove(false).unwrap();
        let text = std::fs::read_to_string(file).unwrap();
        let own = ["PWD=", "OLDPWD=", "SHLVL=", "_="];
        let given =
            |entry: &&str| !entry.is_empty() && !own.iter().any(|name| entry.starts_with(name));
        text.split('\0')
            .filter(given)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert!(std::env::vars_os().count() > 0);
    assert_eq!(seen(&sandbox.store), [""; 0]);
    let variables = || vec![(OsString::from("A"), OsString::from("b=c"))];
    let store = sandbox.store.clone().with_environment(variables);
    assert_eq!(seen(&store), ["A=b=c"]);
}

#[test]
fn another_container_of_the_same_name_is_not_meant() {
    let Some(sandbox) = Sandbox::new("another") else {
        return;
    };
    let old = sandbox.idle("a");
    let id = old.container.id().to_owned();
    let opened = Container::open(&sandbox.store, &id).unwrap();
    // A stranger's file keeps the folder, so that the next container of this id is in the same one.
    std::fs::write(sandbox.store.root().join(&id).join("note"), "").unwrap();
    Container::delete(&sandbox.store, &id, true).unwrap();
    let is_gone = |error: &Error| error.is_not_found();
    for stale in [&opened, &old.container] {
        assert!(stale.status().is_err_and(|error| is_gone(&error)));
    }

    let bundle = sandbox.config("while :; do sleep 1000; done", false);
    let new = Container::create(&sandbox.store, &id, &bundle, quiet()).unwrap();
    for stale in [&opened, &old.container] {
        assert!(stale.status().is_err_and(|error| is_gone(&error)));
        assert!(stale.start().is_err_and(|error| is_gone(&error)));
        assert!(stale.remove(true).is_err_and(|error| is_gone(&error)));
        assert!(stale.try_remove(true).is_err_and(|error| is_gone(&error)));
        assert!(stale.pause().is_err());
        assert!(stale.kill(9, true).is_err_and(|error| is_gone(&error)));
        assert!(stale.processes().is_err_and(|error| is_gone(&error)));
        assert!(stale.stats().is_err());
    }
    let again = Container::open(&sandbox.store, &id).unwrap();
    assert_eq!(again.status().unwrap(), Status::Created);
    new.container.start().unwrap();
    Container::delete(&sandbox.store, &id, true).unwrap();
    std::fs::remove_file(sandbox.store.root().join(&id).join("note")).unwrap();
    std::fs::remove_dir(sandbox.store.root().join(&id)).unwrap();
}

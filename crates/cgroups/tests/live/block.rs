//! Limits of input and output, on a block device of the test's own. Making one takes a machine that may be changed.

use std::io::Write;
use std::time::{Duration, Instant};

use crate::sandbox::{Process, Sandbox, is_guest, read, run, skip};

/// The kernel's block device that stores nothing, by its number.
fn null_device() -> Result<String, String> {
    if !is_guest() {
        return Err("a block device is made in throw-away guests only".to_owned());
    }
    run("modprobe", &["null_blk", "nr_devices=1"])?;
    let number = std::fs::read_to_string("/sys/block/nullb0/dev");
    number
        .map(|number| number.trim().to_owned())
        .map_err(|error| format!("/sys/block/nullb0: {error}"))
}

/// `"major": 252, "minor": 0`, for the config.
fn numbers(device: &str) -> String {
    let (major, minor) = device.split_once(':').expect("a number");
    format!(r#""major": {major}, "minor": {minor}"#)
}

/// How long a process inside takes to write 3 MiB past all caches.
fn time_to_write(group: &tare_cgroups::Group) -> Duration {
    let script =
        "read line; exec dd if=/dev/zero of=/dev/nullb0 bs=65536 count=48 oflag=direct 2>/dev/null";
    let mut writer = Process::start(script);
    group
        .seat()
        .and_then(|seat| seat.place(writer.id()))
        .expect("placed");
    let begin = Instant::now();
    let input = writer.0.stdin.as_mut().expect("input");
    input.write_all(b"go\n").expect("told");
    assert!(writer.finish(), "dd failed");
    begin.elapsed()
}

/// The line about a device.
fn line(text: &str, device: &str) -> Option<String> {
    let of = |line: &&str| line.split_whitespace().next() == Some(device);
    text.lines().find(of).map(str::to_owned)
}

#[test]
fn a_throttled_device_is_slow() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let Some(dir) = sandbox.dir("blkio", "io") else {
        skip!("no io controller here");
    };
    let root = std::path::Path::new("/sys/fs/cgroup/blkio");
    if !sandbox.is_v2("blkio") && !root.join("blkio.throttle.write_bps_device").exists() {
        skip!("this kernel does not throttle");
    }
    let device = match null_device() {
        Ok(device) => device,
        Err(why) => skip!("{why}"),
    };
    let at = numbers(&device);
    let json = format!(
        r#"{{"blockIO": {{"throttleWriteBpsDevice": [{{{at}, "rate": 1048576}}], "throttleReadIOPSDevice": [{{{at}, "rate": 50}}]}}}}"#
    );
    let mut settings = sandbox.settings(&json);
    // No rule would allow to open it.
    settings.leave_devices();
    let mut group = sandbox.create(&settings);
    // The cgroup, and with systemd the scope, lives as long as this one does.
    let keeper = Process::sleeping();
    group.place(keeper.id()).unwrap();
    group.restrict(&settings).unwrap();
    let limits = || match sandbox.is_v2("blkio") {
        true => line(&read(&dir, "io.max"), &device),
        false => {
            let of = |file| line(&read(&dir, file), &device);
            let both =
                of("blkio.throttle.write_bps_device").zip(of("blkio.throttle.read_iops_device"));
            both.map(|(write, read)| format!("{write} / {read}"))
        }
    };
    let expected = match sandbox.is_v2("blkio") {
        true => format!("{device} rbps=max wbps=1048576 riops=50 wiops=max"),
        false => format!("{device} 1048576 / {device} 50"),
    };
    assert_eq!(limits().as_deref(), Some(&*expected));
    let slow = time_to_write(&group);
    assert!(slow > Duration::from_millis(1500), "3 MiB took {slow:?}");
    // A refused update leaves both limits as they were.
    let json = format!(
        r#"{{"blockIO": {{"throttleWriteBpsDevice": [{{{at}, "rate": 5242880}}], "throttleReadBpsDevice": [{{"major": 9999, "minor": 5, "rate": 9}}]}}}}"#
    );
    let error = group.update(&sandbox.settings(&json)).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("linux.resources.blockIO.throttleReadBpsDevice[0]: "),
        "{error}"
    );
    assert_eq!(limits().as_deref(), Some(&*expected));
    // Zero lifts a limit.
    let json = format!(
        r#"{{"blockIO": {{"throttleWriteBpsDevice": [{{{at}, "rate": 0}}], "throttleReadIOPSDevice": [{{{at}, "rate": 0}}]}}}}"#
    );
    group.update(&sandbox.settings(&json)).unwrap();
    assert_eq!(limits(), None);
    let fast = time_to_write(&group);
    assert!(fast < slow, "{fast:?} without the limit, {slow:?} with it");
}

#[test]
fn weights_are_for_whichever_scheduler_is_there() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let Some(dir) = sandbox.dir("blkio", "io") else {
        skip!("no io controller here");
    };
    let device = match null_device() {
        Ok(device) => device,
        Err(why) => skip!("{why}"),
    };
    let at = numbers(&device);
    let v2 = sandbox.is_v2("blkio");
    let json = |weight: u32, own: u32| {
        format!(
            r#"{{"blockIO": {{"weight": {weight}, "weightDevice": [{{{at}, "weight": {own}}}]}}}}"#
        )
    };
    let mut group = sandbox.create(&Default::default());
    let keeper = Process::sleeping();
    group.place(keeper.id()).unwrap();
    // Without BFQ: io.cost has weights on v2, v1 has none.
    if !dir.join("io.bfq.weight").exists() && !dir.join("blkio.bfq.weight").exists() {
        let mut result = group.update(&sandbox.settings(&json(500, 1000)));
        if v2 && result.is_err() {
            // Weights are for devices that io.cost is switched on for.
            let on = format!("{device} enable=1");
            std::fs::write("/sys/fs/cgroup/io.cost.qos", on).unwrap();
            let before = read(&dir, "io.weight");
            assert_eq!(line(&before, "default").as_deref(), Some("default 100"));
            result = group.update(&sandbox.settings(&json(500, 1000)));
        }
        if v2 && dir.join("io.weight").exists() {
            result.unwrap();
            let text = read(&dir, "io.weight");
            assert_eq!(line(&text, "default").as_deref(), Some("default 4950"));
            assert_eq!(line(&text, &device), Some(format!("{device} 10000")));
        } else {
            let error = result.unwrap_err().to_string();
            assert!(
                error.starts_with(
                    "linux.resources.blockIO.weight: the blkio controller is not available"
                ) && error.contains("this kernel has no "),
                "{error}"
            );
        }
    } else {
        println!("skipped a part: BFQ is loaded already");
    }
    if let Err(why) = run("modprobe", &["bfq"]) {
        println!("skipped a part: {why}");
        return;
    }
    // A device has weights while BFQ is its scheduler.
    std::fs::write("/sys/block/nullb0/queue/scheduler", "bfq").unwrap();
    group.update(&sandbox.settings(&json(300, 200))).unwrap();
    let weights = || match v2 {
        true => {
            let text = read(&dir, "io.bfq.weight");
            (
                line(&text, "default").unwrap_or_default(),
                line(&text, &device),
            )
        }
        false => (
            format!("default {}", read(&dir, "blkio.bfq.weight")),
            line(&read(&dir, "blkio.bfq.weight_device"), &device),
        ),
    };
    let expected = ("default 300".to_owned(), Some(format!("{device} 200")));
    assert_eq!(weights(), expected);
    // A refused update puts both back, also where the device had no weight of its own.
    let bad = |weight| {
        let json = json(weight, 400);
        json.replace("]}}", r#", {"major": 9999, "minor": 5, "weight": 10}]}}"#)
    };
    let error = group
        .update(&sandbox.settings(&bad(600)))
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("linux.resources.blockIO.weightDevice[1].weight: "),
        "{error}"
    );
    assert_eq!(weights(), expected);
    let other = Sandbox::new().unwrap();
    let dir = other.dir("blkio", "io").unwrap();
    let mut group = other.create(&Default::default());
    let keeper = Process::sleeping();
    group.place(keeper.id()).unwrap();
    let error = group
        .update(&other.settings(&bad(600)))
        .unwrap_err()
        .to_string();
    assert!(!error.contains("putting back"), "{error}");
    let (file, devices) = match v2 {
        true => ("io.bfq.weight", "io.bfq.weight"),
        false => ("blkio.bfq.weight", "blkio.bfq.weight_device"),
    };
    assert!(!read(&dir, file).contains("600"), "{}", read(&dir, file));
    assert_eq!(line(&read(&dir, devices), &device), None);
}

//! Controllers that few machines have something for: huge pages, RDMA, misc. The test makes what they limit, which takes a
//! machine that may be changed.

use crate::sandbox::{Process, Sandbox, is_guest, read, run, skip};

#[test]
fn huge_pages_are_refused_beyond_the_limit_when_they_are_reserved() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let Some(dir) = sandbox.dir("hugetlb", "hugetlb") else {
        skip!("no hugetlb controller here");
    };
    if !is_guest() {
        skip!("huge pages are set aside in throw-away guests only");
    }
    std::fs::write("/proc/sys/vm/nr_hugepages", "8").unwrap();
    let pages = read("/proc/sys/vm".as_ref(), "nr_hugepages");
    if pages != "8" {
        skip!("the kernel sets aside {pages} huge pages instead of 8");
    }
    if let Err(why) = run("python3", &["-c", "import mmap"]) {
        skip!("{why}");
    }
    let limits = sandbox.settings(r#"{"hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}]}"#);
    let mut group = sandbox.create(&limits);
    let keeper = Process::sleeping();
    group.place(keeper.id()).unwrap();
    group.restrict(&limits).unwrap();
    // MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, never touched: only the reservation counts.
    let map = |group: &tare_cgroups::Group, megabytes: u32| {
        let script = format!(
            "read line; exec python3 -c 'import mmap; mmap.mmap(-1, {megabytes} << 20, flags=0x40022)'"
        );
        let process = Process::start(&script);
        group.seat().unwrap().place(process.id()).unwrap();
        let mut process = process;
        std::io::Write::write_all(process.0.stdin.as_mut().unwrap(), b"go\n").unwrap();
        process.finish()
    };
    assert!(map(&group, 4), "within the limit");
    assert!(!map(&group, 6), "beyond the limit");
    let raise = sandbox.settings(r#"{"hugepageLimits": [{"pageSize": "2MB", "limit": 8388608}]}"#);
    group.update(&raise).unwrap();
    assert!(map(&group, 6), "within the raised limit");
    let (used, reserved) = match sandbox.is_v2("hugetlb") {
        true => ("hugetlb.2MB.max", "hugetlb.2MB.rsvd.max"),
        false => (
            "hugetlb.2MB.limit_in_bytes",
            "hugetlb.2MB.rsvd.limit_in_bytes",
        ),
    };
    assert_eq!(read(&dir, used), "8388608");
    assert_eq!(read(&dir, reserved), "8388608");
    assert!(group.stats().unwrap().hugetlb.contains_key("2MB"));
    // A refused update puts back both files.
    let update = sandbox.settings(
        r#"{"hugepageLimits": [{"pageSize": "2MB", "limit": 2097152}, {"pageSize": "3MB", "limit": 1}]}"#,
    );
    let error = group.update(&update).unwrap_err().to_string();
    assert!(
        error.starts_with("linux.resources.hugepageLimits[1].limit: "),
        "{error}"
    );
    assert_eq!(read(&dir, used), "8388608");
    assert_eq!(read(&dir, reserved), "8388608");
    std::fs::write("/proc/sys/vm/nr_hugepages", "0").unwrap();
}

/// A software RDMA device on a network interface of its own.
fn rdma_device() -> Result<&'static str, String> {
    if !is_guest() {
        return Err("an RDMA device is made in throw-away guests only".to_owned());
    }
    run("modprobe", &["dummy"])?;
    run("modprobe", &["rdma_rxe"])?;
    let link = "/sys/class/net/tare-rdma";
    if !std::path::Path::new(link).exists() {
        run("ip", &["link", "add", "tare-rdma", "type", "dummy"])?;
        run("ip", &["link", "set", "tare-rdma", "up"])?;
        let add = [
            "link",
            "add",
            "tarerxe",
            "type",
            "rxe",
            "netdev",
            "tare-rdma",
        ];
        run("rdma", &add)?;
    }
    Ok("tarerxe")
}

#[test]
fn rdma_limits_are_for_one_device_and_put_back_after_a_failure() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    let Some(dir) = sandbox.dir("rdma", "rdma") else {
        skip!("no rdma controller here");
    };
    let device = match rdma_device() {
        Ok(device) => device,
        Err(why) => skip!("{why}"),
    };
    let limits = format!(r#"{{"rdma": {{"{device}": {{"hcaHandles": 3, "hcaObjects": 10000}}}}}}"#);
    let settings = sandbox.settings(&limits);
    let mut group = sandbox.create(&settings);
    let process = Process::sleeping();
    group.place(process.id()).unwrap();
    group.restrict(&settings).unwrap();
    let expected = format!("{device} hca_handle=3 hca_object=10000");
    assert_eq!(read(&dir, "rdma.max"), expected);
    let update = format!(
        r#"{{"rdma": {{"{device}": {{"hcaHandles": 5}}, "nosuch0": {{"hcaHandles": 1}}}}}}"#
    );
    let error = group.update(&sandbox.settings(&update)).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("linux.resources.rdma[\"nosuch0\"]: "),
        "{error}"
    );
    assert_eq!(read(&dir, "rdma.max"), expected);
    let update = format!(r#"{{"rdma": {{"{device}": {{"hcaObjects": 7}}}}}}"#);
    group.update(&sandbox.settings(&update)).unwrap();
    assert_eq!(
        read(&dir, "rdma.max"),
        format!("{device} hca_handle=3 hca_object=7")
    );
    let stats = serde_json::to_value(group.stats().unwrap()).unwrap();
    assert!(
        stats["rdma"].to_string().contains(device),
        "{}",
        stats["rdma"]
    );
}

#[test]
fn misc_is_there_and_what_the_machine_lacks_is_refused() {
    let Some(sandbox) = Sandbox::new() else {
        return;
    };
    if !sandbox.is_v2("misc") || sandbox.dir("misc", "misc").is_none() {
        skip!("no misc controller on v2 here");
    }
    let mut group = sandbox.create(&Default::default());
    let process = Process::sleeping();
    group.place(process.id()).unwrap();
    // Encrypted guests (SEV) are what it counts today; without them the kernel takes no limit.
    let capacity = std::fs::read_to_string("/sys/fs/cgroup/misc.capacity").unwrap_or_default();
    let update = sandbox.settings(r#"{"unified": {"misc.max": "sev 5"}}"#);
    match group.update(&update) {
        Ok(()) => assert!(capacity.contains("sev"), "{capacity:?}"),
        Err(error) => {
            let said = error.to_string();
            assert!(!capacity.contains("sev"), "{capacity:?}: {said}");
            assert!(
                said.starts_with("linux.resources.unified[\"misc.max\"]: write \"sev 5\" to "),
                "{said}"
            );
        }
    }
}

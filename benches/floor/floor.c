/* floor.c - the physical floor of `run /bin/true`: the least work a container runtime can do
 * for a `runc spec` bundle, hard-coded, no JSON, no state, no libraries beyond libc.
 *
 *   cc -O2 -static -o floor floor.c
 *   floor [opts] ROOTFS CMD [ARG...]        run
 *   floor [opts] --exec PID CMD [ARG...]    join PID's namespaces+cgroup and run CMD
 *   floor --noop                            process start+exit only
 *   floor --usage CMD [ARG...]              run CMD and print its peak RSS in KiB and its CPU time in us (with what it
 *                                           waited for); a small parent, whose own size does not count
 *   floor --cat FILE                        stand-in for `state`: read, kill(pid,0), write
 *
 * Leave parts out: --no-net --no-ipc --no-uts --no-pid --no-mntns(implies no mounts/pivot)
 *   --no-cgns --no-lo --no-mounts --no-dev --no-mask --no-pivot(chroot) --no-cgroup --no-devbpf
 *   --no-caps --no-seccomp --no-keyring --bare (all of them: clone+exec only)
 * Variants: --attach   join the cgroup by writing cgroup.procs, not CLONE_INTO_CGROUP
 *   --newapi   fsopen/fsmount/move_mount + mount_setattr instead of mount(2)
 *   --vfork    CLONE_VM|CLONE_VFORK child
 *   --unshare  clone() plain, then unshare(all) in the child, then a second fork (runc style)
 *   --par-net  the parent makes the network namespace while the child mounts; handed over by
 *              SCM_RIGHTS just before sysfs is mounted (needs 2 CPUs to pay)
 *   --share-mask  one tmpfs for all masked directories, bind-mounted to the rest
 *   --seccomp-bpf FILE   load raw struct sock_filter[] from FILE instead of the trivial filter
 *   --v1 / --v2  force the cgroup layout (default: what is at /sys/fs/cgroup)
 *   --times N  repeat N times and print the median microseconds of each phase on stderr
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* sys/mount.h clashes with linux/mount.h on some libcs */
extern int mount(const char *, const char *, const char *, unsigned long, const void *);
extern int umount2(const char *, int);
#ifndef MS_RDONLY
#define MS_RDONLY 1
#define MS_NOSUID 2
#define MS_NODEV 4
#define MS_NOEXEC 8
#define MS_REMOUNT 32
#define MS_BIND 4096
#define MS_REC 16384
#define MS_PRIVATE (1 << 18)
#define MS_SLAVE (1 << 19)
#define MS_RELATIME (1 << 21)
#define MS_STRICTATIME (1 << 24)
#endif
#ifndef MNT_DETACH
#define MNT_DETACH 2
#endif
#ifndef CLONE_INTO_CGROUP
#define CLONE_INTO_CGROUP 0x200000000ULL
#endif

static int die(const char *s) { fprintf(stderr, "floor: %s: %s\n", s, strerror(errno)); _exit(125); }
#define CK(x) ({ long r_ = (long) (x); if (r_ < 0) die(#x); r_; })

enum { F_NET = 1, F_IPC = 2, F_UTS = 4, F_PID = 8, F_MNTNS = 16, F_CGNS = 32, F_LO = 64, F_MOUNTS = 128,
       F_DEV = 256, F_MASK = 512, F_PIVOT = 1024, F_CGROUP = 2048, F_DEVBPF = 4096, F_CAPS = 8192,
       F_SECCOMP = 16384, F_KEYRING = 32768, F_ALL = 65535 };
static unsigned on = F_ALL;
static int attach, newapi, usevfork, useunshare, v1, parnet, sharemask, netsk[2];
static struct sock_fprog big;
static char *rootfs;

/* phases */
enum { P_START, P_CGMK, P_CLONE, P_CHILD, P_ATTACH, P_CGNS, P_LO, P_KEYRING, P_PRIV, P_BINDROOT, P_MOUNTS, P_DEV,
       P_PIVOT, P_MASK, P_CAPS, P_SECCOMP, P_EXEC, P_WAIT, P_RMDIR, P_N };
static const char *pname[P_N] = { "", "cgroup mkdir(+devices)", "clone3 (parent side)", "clone3->child runs", "cgroup attach",
  "unshare cgroupns", "lo up+hostname", "keyring", "make / rslave", "bind rootfs", "7 mounts", "dev nodes+symlinks", "pivot_root+umount",
  "masked+ro paths", "caps/rlimit/uid", "no_new_privs+seccomp", "(to execve call)", "exec+run+exit+wait", "cgroup rmdir" };
static uint64_t *ts;
static inline uint64_t now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec * 1000000000ull + t.tv_nsec; }
#define T(p) do { if (ts) ts[p] = now(); } while (0)

static long sys_clone3(struct clone_args *a) { return syscall(SYS_clone3, a, sizeof *a); }

/* ---------- cgroup ---------- */
static const char *ctl[] = { "cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "systemd" };
#define NCTL (sizeof ctl / sizeof *ctl)
static char cgname[64];
static int cgfd = -1, procsfd[NCTL];
static void wr(int dfd, const char *f, const char *s) { int fd = openat(dfd, f, O_WRONLY | O_CLOEXEC); if (fd < 0) return; if (write(fd, s, strlen(s)) < 0) {} close(fd); }
static void cpinherit(const char *dir, const char *f)
{
  char p[256], b[256]; snprintf(p, sizeof p, "/sys/fs/cgroup/cpuset/%s", f);
  int fd = open(p, O_RDONLY | O_CLOEXEC); if (fd < 0) return; int n = read(fd, b, sizeof b); close(fd); if (n <= 0) return;
  snprintf(p, sizeof p, "%s/%s", dir, f); fd = open(p, O_WRONLY | O_CLOEXEC); if (fd < 0) return; if (write(fd, b, n)) {} close(fd);
}
static void devbpf(int fd)
{
  /* one-rule device program: enough to pay for load + verify + attach */
  struct bpf_insn prog[] = {
    { .code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = 2, .src_reg = 1, .off = 0 },
    { .code = BPF_ALU | BPF_AND | BPF_K, .dst_reg = 2, .imm = 0xffff },
    { .code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = 4, .src_reg = 1, .off = 4 },
    { .code = BPF_LDX | BPF_MEM | BPF_W, .dst_reg = 5, .src_reg = 1, .off = 8 },
    { .code = BPF_JMP | BPF_JNE | BPF_K, .dst_reg = 4, .off = 2, .imm = 1 },
    { .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 1 },
    { .code = BPF_JMP | BPF_EXIT },
    { .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = 1 },
    { .code = BPF_JMP | BPF_EXIT },
  };
  union bpf_attr a; memset(&a, 0, sizeof a);
  a.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE; a.insns = (uintptr_t) prog; a.insn_cnt = sizeof prog / sizeof *prog; a.license = (uintptr_t) "GPL";
  int pf = CK(syscall(SYS_bpf, BPF_PROG_LOAD, &a, sizeof a));
  memset(&a, 0, sizeof a); a.target_fd = fd; a.attach_bpf_fd = pf; a.attach_type = BPF_CGROUP_DEVICE; a.attach_flags = BPF_F_ALLOW_MULTI;
  CK(syscall(SYS_bpf, BPF_PROG_ATTACH, &a, sizeof a)); close(pf);
}
static void cg_make(void)
{
  char p[256]; static int seq; snprintf(cgname, sizeof cgname, "floor-%d-%d", getpid(), seq++);
  if (!v1) {
    snprintf(p, sizeof p, "/sys/fs/cgroup/%s", cgname); CK(mkdir(p, 0755)); cgfd = CK(open(p, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (on & F_DEVBPF) devbpf(cgfd);
    if (attach) procsfd[0] = CK(openat(cgfd, "cgroup.procs", O_WRONLY | O_CLOEXEC));
    return;
  }
  for (unsigned i = 0; i < NCTL; i++) {
    snprintf(p, sizeof p, "/sys/fs/cgroup/%s/%s", ctl[i], cgname); procsfd[i] = -1; if (mkdir(p, 0755) < 0) continue;
    int d = CK(open(p, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!strcmp(ctl[i], "cpuset")) { cpinherit(p, "cpuset.cpus"); cpinherit(p, "cpuset.mems"); }
    if (!strcmp(ctl[i], "devices") && (on & F_DEVBPF)) {
      wr(d, "devices.deny", "a"); const char *al[] = { "c *:* m", "b *:* m", "c 1:3 rwm", "c 1:5 rwm", "c 1:7 rwm", "c 1:8 rwm", "c 1:9 rwm", "c 5:0 rwm", "c 136:* rwm", "c 5:2 rwm" };
      for (unsigned k = 0; k < sizeof al / sizeof *al; k++) wr(d, "devices.allow", al[k]);
    }
    procsfd[i] = openat(d, "cgroup.procs", O_WRONLY | O_CLOEXEC); close(d);
    if (procsfd[i] < 0) rmdir(p); /* not a cgroup mount */
  }
}
static void cg_join(void) { if (!v1) { if (attach) CK(write(procsfd[0], "0", 1)); return; } for (unsigned i = 0; i < NCTL; i++) if (procsfd[i] >= 0) CK(write(procsfd[i], "0", 1)); }
static void cg_del(void)
{
  char p[256];
  if (!v1) { close(cgfd); if (attach) close(procsfd[0]); snprintf(p, sizeof p, "/sys/fs/cgroup/%s", cgname); CK(rmdir(p)); return; }
  for (unsigned i = 0; i < NCTL; i++) { if (procsfd[i] < 0) continue; close(procsfd[i]); snprintf(p, sizeof p, "/sys/fs/cgroup/%s/%s", ctl[i], cgname); CK(rmdir(p)); }
}

/* ---------- parallel netns ---------- */
static void lo_up(int s) { struct ifreq r = { .ifr_name = "lo" }; r.ifr_flags = IFF_UP | IFF_RUNNING; CK(ioctl(s, SIOCSIFFLAGS, &r)); }
static void parnet_send(void)
{
  CK(unshare(CLONE_NEWNET)); int s = CK(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)); if (on & F_LO) lo_up(s);
  int nfd = CK(ioctl(s, 0x894c /* SIOCGSKNS: netns fd without touching /proc */)); close(s);
  char c = 0; struct iovec io = { &c, 1 }; union { char b[CMSG_SPACE(sizeof(int))]; struct cmsghdr h; } u; memset(&u, 0, sizeof u);
  struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = u.b, .msg_controllen = sizeof u.b };
  struct cmsghdr *h = CMSG_FIRSTHDR(&m); h->cmsg_level = SOL_SOCKET; h->cmsg_type = SCM_RIGHTS; h->cmsg_len = CMSG_LEN(sizeof(int)); memcpy(CMSG_DATA(h), &nfd, sizeof nfd);
  CK(sendmsg(netsk[0], &m, 0)); close(nfd);
}
static void parnet_recv(void)
{
  char c; struct iovec io = { &c, 1 }; union { char b[CMSG_SPACE(sizeof(int))]; struct cmsghdr h; } u; int nfd;
  struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1, .msg_control = u.b, .msg_controllen = sizeof u.b };
  CK(recvmsg(netsk[1], &m, MSG_CMSG_CLOEXEC)); memcpy(&nfd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof nfd); CK(setns(nfd, CLONE_NEWNET)); close(nfd);
}
/* ---------- mounts ---------- */
static void fm(const char *fs, const char *src, const char *at, unsigned attr, const char **kv)
{
  int f = CK(syscall(SYS_fsopen, fs, 1)); CK(syscall(SYS_fsconfig, f, 1, "source", src, 0));
  for (; kv && *kv; kv += 2) CK(syscall(SYS_fsconfig, f, kv[1] ? 1 : 0, kv[0], kv[1], 0));
  CK(syscall(SYS_fsconfig, f, 6, NULL, NULL, 0)); int m = CK(syscall(SYS_fsmount, f, 1, attr));
  CK(syscall(SYS_move_mount, m, "", AT_FDCWD, at, 4)); close(m); close(f);
}
static void mounts(void)
{
  unsigned c = MS_NOSUID | MS_NOEXEC | MS_NODEV;
  if (newapi) {
    fm("proc", "proc", "proc", 0, NULL);
    fm("tmpfs", "tmpfs", "dev", MOUNT_ATTR_NOSUID | MOUNT_ATTR_STRICTATIME, (const char *[]){ "mode", "755", "size", "65536k", NULL });
    mkdir("dev/pts", 0755); mkdir("dev/shm", 01777); mkdir("dev/mqueue", 0755);
    fm("devpts", "devpts", "dev/pts", 2 | 8, (const char *[]){ "newinstance", NULL, "ptmxmode", "0666", "mode", "0620", "gid", "5", NULL });
    fm("tmpfs", "shm", "dev/shm", 2 | 4 | 8, (const char *[]){ "mode", "1777", "size", "65536k", NULL });
    if (on & F_IPC) fm("mqueue", "mqueue", "dev/mqueue", 2 | 4 | 8, NULL);
    if (on & F_NET) fm("sysfs", "sysfs", "sys", 1 | 2 | 4 | 8, NULL);
    if (!v1 && (on & F_NET)) fm("cgroup2", "cgroup", "sys/fs/cgroup", 1 | 2 | 4 | 8, NULL);
  } else {
    CK(mount("proc", "proc", "proc", 0, NULL));
    CK(mount("tmpfs", "dev", "tmpfs", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k"));
    mkdir("dev/pts", 0755); mkdir("dev/shm", 01777); mkdir("dev/mqueue", 0755);
    CK(mount("devpts", "dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5"));
    CK(mount("shm", "dev/shm", "tmpfs", c, "mode=1777,size=65536k"));
    if (on & F_IPC) CK(mount("mqueue", "dev/mqueue", "mqueue", c, NULL));
    if (parnet) parnet_recv();
    if (on & F_NET) CK(mount("sysfs", "sys", "sysfs", c | MS_RDONLY, NULL));
    if (!v1 && (on & F_NET)) CK(mount("cgroup", "sys/fs/cgroup", "cgroup2", c | MS_RDONLY | MS_RELATIME, NULL));
  }
  if (v1 && (on & F_NET)) { /* tmpfs + a bind of each hierarchy's own directory */
    CK(mount("tmpfs", "sys/fs/cgroup", "tmpfs", c, "mode=755"));
    for (unsigned i = 0; i < NCTL; i++) {
      char s[256], d[256]; if (procsfd[i] < 0) continue;
      snprintf(s, sizeof s, "/sys/fs/cgroup/%s/%s", ctl[i], cgname); snprintf(d, sizeof d, "sys/fs/cgroup/%s", ctl[i]);
      mkdir(d, 0755); if (mount(s, d, NULL, MS_BIND, NULL) == 0) mount(NULL, d, NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | c, NULL);
    }
    CK(mount(NULL, "sys/fs/cgroup", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | c, NULL));
  }
}
static void devs(void)
{
  static const struct { const char *n; int ma, mi; } d[] = { { "null", 1, 3 }, { "zero", 1, 5 }, { "full", 1, 7 }, { "random", 1, 8 }, { "urandom", 1, 9 }, { "tty", 5, 0 } };
  int dd = CK(open("dev", O_PATH | O_DIRECTORY | O_CLOEXEC)); umask(0);
  for (unsigned i = 0; i < 6; i++) CK(mknodat(dd, d[i].n, S_IFCHR | 0666, makedev(d[i].ma, d[i].mi)));
  symlinkat("/proc/self/fd", dd, "fd"); symlinkat("/proc/self/fd/0", dd, "stdin"); symlinkat("/proc/self/fd/1", dd, "stdout");
  symlinkat("/proc/self/fd/2", dd, "stderr"); symlinkat("pts/ptmx", dd, "ptmx"); symlinkat("/proc/kcore", dd, "core"); umask(022); close(dd);
}
static void mask(void)
{
  static const char *m[] = { "/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi" };
  static const char *r[] = { "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger" };
  const char *shared = NULL;
  for (unsigned i = 0; i < 10; i++)
    if (mount("/dev/null", m[i], NULL, MS_BIND, NULL) < 0 && errno == ENOTDIR) {
      if (shared) mount(shared, m[i], NULL, MS_BIND, NULL);
      else if (mount("tmpfs", m[i], "tmpfs", MS_RDONLY, "size=0k") == 0 && sharemask) shared = m[i];
    }
  if (newapi) {
    struct mount_attr a = { .attr_set = MOUNT_ATTR_RDONLY };
    for (unsigned i = 0; i < 5; i++) {
      int t = syscall(SYS_open_tree, AT_FDCWD, r[i], 1 /*CLONE*/ | 0x8000 | O_CLOEXEC); if (t < 0) continue;
      syscall(SYS_mount_setattr, t, "", AT_EMPTY_PATH | 0x8000, &a, sizeof a); syscall(SYS_move_mount, t, "", AT_FDCWD, r[i], 4); close(t);
    }
    return;
  }
  for (unsigned i = 0; i < 5; i++)
    if (mount(r[i], r[i], NULL, MS_BIND | MS_REC, NULL) == 0) mount(NULL, r[i], NULL, MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
}
static void dropcaps(void)
{
  uint64_t keep = 1ull << 29 | 1ull << 5 | 1ull << 10;
  for (int c = 0; c <= 40; c++) if (!(keep >> c & 1)) prctl(PR_CAPBSET_DROP, c, 0, 0, 0);
  struct __user_cap_header_struct h = { _LINUX_CAPABILITY_VERSION_3, 0 };
  struct __user_cap_data_struct d[2] = { { keep, keep, 0 }, { 0, 0, 0 } };
  struct rlimit rl = { 1024, 1024 }; setrlimit(RLIMIT_NOFILE, &rl);
  prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0); CK(syscall(SYS_setgroups, 0, NULL)); CK(syscall(SYS_setresgid, 0, 0, 0)); CK(syscall(SYS_setresuid, 0, 0, 0)); CK(syscall(SYS_capset, &h, d));
}
static void seccomp(void)
{
  struct sock_filter f[] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW) };
  struct sock_fprog p = { 4, f };
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); CK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, big.len ? &big : &p));
}
static void child(char **cmd)
{
  T(P_CHILD);
  if (on & F_CGROUP) cg_join();
  T(P_ATTACH);
  if (on & F_CGNS) CK(unshare(CLONE_NEWCGROUP));
  T(P_CGNS);
  setsid();
  if (on & F_UTS) CK(sethostname("floor", 5));
  if ((on & F_LO) && (on & F_NET) && !parnet) { int s = CK(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)); lo_up(s); close(s); }
  T(P_LO);
  if (on & F_KEYRING) syscall(SYS_keyctl, 1, "_ses.floor");
  T(P_KEYRING);
  if (on & F_MNTNS) {
    CK(mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL));
    T(P_PRIV);
    if (newapi) { int t = CK(syscall(SYS_open_tree, AT_FDCWD, rootfs, 1 | 0x8000 | O_CLOEXEC)); CK(syscall(SYS_move_mount, t, "", AT_FDCWD, rootfs, 4)); close(t); }
    else CK(mount(rootfs, rootfs, NULL, MS_BIND | MS_REC, NULL));
    CK(chdir(rootfs));
    T(P_BINDROOT);
    if (on & F_MOUNTS) mounts();
    T(P_MOUNTS);
    if ((on & F_DEV) && (on & F_MOUNTS)) devs();
    T(P_DEV);
    if (on & F_PIVOT) {
      CK(syscall(SYS_pivot_root, ".", ".")); CK(umount2(".", MNT_DETACH)); CK(chdir("/")); CK(mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
    } else { CK(chroot(".")); CK(chdir("/")); }
    T(P_PIVOT);
    if ((on & F_MASK) && (on & F_MOUNTS)) mask();
    T(P_MASK);
  } else { T(P_PRIV); T(P_BINDROOT); T(P_MOUNTS); T(P_DEV); CK(chroot(rootfs)); CK(chdir("/")); T(P_PIVOT); T(P_MASK); }
  if (on & F_CAPS) dropcaps();
  T(P_CAPS);
  if (on & F_SECCOMP) seccomp();
  T(P_SECCOMP);
  char *env[] = { "PATH=/bin", "TERM=xterm", NULL };
  T(P_EXEC);
  execve(cmd[0], cmd, env); die(cmd[0]);
}
static int run(char **cmd)
{
  T(P_START);
  if (on & F_CGROUP) cg_make();
  T(P_CGMK);
  uint64_t ns = ((on & F_NET) ? CLONE_NEWNET : 0) | ((on & F_IPC) ? CLONE_NEWIPC : 0) | ((on & F_UTS) ? CLONE_NEWUTS : 0) | ((on & F_PID) ? CLONE_NEWPID : 0) | ((on & F_MNTNS) ? CLONE_NEWNS : 0);
  struct clone_args a = { .flags = ns, .exit_signal = SIGCHLD };
  if (useunshare) a.flags = 0;
  if (parnet) { a.flags &= ~(uint64_t) CLONE_NEWNET; CK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, netsk)); }
  if (usevfork) a.flags |= CLONE_VM | CLONE_VFORK;
  static char vst[65536] __attribute__((aligned(16)));
  if (usevfork) { a.stack = (uintptr_t) vst; a.stack_size = sizeof vst; }
  if ((on & F_CGROUP) && !v1 && !attach) { a.flags |= CLONE_INTO_CGROUP; a.cgroup = cgfd; }
  long pid;
  if (usevfork) { /* share memory: use libc clone-style trampoline is overkill; vfork via raw syscall is unsafe in C, so use clone() */
    extern int clone(int (*)(void *), void *, int, void *, ...);
    int tramp(void *p) { child(p); return 0; }
    if ((on & F_CGROUP) && !v1) attach ? 0 : (procsfd[0] = CK(openat(cgfd, "cgroup.procs", O_WRONLY | O_CLOEXEC)), attach = 2);
    pid = CK(clone(tramp, vst + sizeof vst, (int) (ns | CLONE_VM | CLONE_VFORK | SIGCHLD), cmd));
  } else pid = CK(sys_clone3(&a));
  if (pid == 0) {
    if (useunshare) { CK(unshare(ns)); long p2 = CK(fork()); if (p2 == 0) child(cmd); int st; waitpid(p2, &st, 0); _exit(WIFEXITED(st) ? WEXITSTATUS(st) : 126); }
    child(cmd);
  }
  T(P_CLONE);
  if (parnet) { parnet_send(); close(netsk[0]); close(netsk[1]); }
  int st; while (waitpid(pid, &st, 0) < 0 && errno == EINTR) {}
  T(P_WAIT);
  if (on & F_CGROUP) cg_del();
  T(P_RMDIR);
  return WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
}

static int do_exec(int target, char **cmd)
{
  int pf = CK(syscall(SYS_pidfd_open, target, 0)); char p[64], b[512]; int cg = -1;
  snprintf(p, sizeof p, "/proc/%d/cgroup", target); int fd = CK(open(p, O_RDONLY | O_CLOEXEC)); int n = read(fd, b, sizeof b - 1); close(fd); b[n > 0 ? n : 0] = 0;
  if (!v1 && (on & F_CGROUP)) { char *s = strstr(b, "0::"), q[600]; if (s) { s += 3; s[strcspn(s, "\n")] = 0; snprintf(q, sizeof q, "/sys/fs/cgroup%s", s); cg = CK(open(q, O_RDONLY | O_DIRECTORY | O_CLOEXEC)); } }
  int pfds[NCTL]; for (unsigned i = 0; i < NCTL; i++) pfds[i] = -1;
  if (v1 && (on & F_CGROUP)) for (char *l = strtok(b, "\n"); l; l = strtok(NULL, "\n")) {
    char *c = strchr(l, ':'); if (!c) continue; char *path = strchr(++c, ':'); if (!path || path == c) continue; *path++ = 0; if (!strncmp(c, "name=", 5)) c += 5;
    for (unsigned i = 0; i < NCTL; i++) if (!strcmp(ctl[i], c)) { char q[600]; snprintf(q, sizeof q, "/sys/fs/cgroup/%s%s/cgroup.procs", c, path); pfds[i] = open(q, O_WRONLY | O_CLOEXEC); }
  }
  struct clone_args a = { .exit_signal = SIGCHLD };
  CK(setns(pf, CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWNS));
  if (cg >= 0) { a.flags |= CLONE_INTO_CGROUP; a.cgroup = cg; }
  long pid = CK(sys_clone3(&a));
  if (pid == 0) {
    for (unsigned i = 0; i < NCTL; i++) if (pfds[i] >= 0) CK(write(pfds[i], "0", 1));
    if (on & F_KEYRING) syscall(SYS_keyctl, 1, "_ses.floor");
    if (on & F_CAPS) dropcaps();
    if (on & F_SECCOMP) seccomp();
    char *env[] = { "PATH=/bin", NULL }; execve(cmd[0], cmd, env); die(cmd[0]);
  }
  int st; while (waitpid(pid, &st, 0) < 0 && errno == EINTR) {}
  return WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
}
static int cmpu(const void *a, const void *b) { uint64_t x = *(uint64_t *) a, y = *(uint64_t *) b; return x < y ? -1 : x > y; }
static int usage(char **cmd)
{
  pid_t p; struct rusage r; int st; extern char **environ;
  if (posix_spawnp(&p, cmd[0], NULL, NULL, cmd, environ)) die(cmd[0]);
  CK(wait4(p, &st, 0, &r));
  dprintf(2, "usage %ld %ld\n", r.ru_maxrss, (r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000 + r.ru_utime.tv_usec + r.ru_stime.tv_usec);
  return WIFEXITED(st) ? WEXITSTATUS(st) : 128 + WTERMSIG(st);
}

int main(int argc, char **argv)
{
  static const struct { const char *n; unsigned f; } off[] = { { "net", F_NET }, { "ipc", F_IPC }, { "uts", F_UTS }, { "pid", F_PID }, { "mntns", F_MNTNS }, { "cgns", F_CGNS }, { "lo", F_LO }, { "mounts", F_MOUNTS }, { "dev", F_DEV }, { "mask", F_MASK }, { "pivot", F_PIVOT }, { "cgroup", F_CGROUP }, { "devbpf", F_DEVBPF }, { "caps", F_CAPS }, { "seccomp", F_SECCOMP }, { "keyring", F_KEYRING } };
  int i = 1, times = 0, force = -1; pid_t target = 0;
  for (; i < argc && !strncmp(argv[i], "--", 2); i++) {
    char *o = argv[i] + 2;
    if (!strcmp(o, "noop")) return 0;
    if (!strcmp(o, "usage")) return usage(argv + i + 1);
    else if (!strcmp(o, "cat")) { char b[65536]; int fd = CK(open(argv[i + 1], O_RDONLY | O_CLOEXEC)); int n = CK(read(fd, b, sizeof b)); kill(getpid(), 0); CK(write(1, b, n)); return 0; }
    else if (!strcmp(o, "bare")) on = 0;
    else if (!strcmp(o, "attach")) attach = 1;
    else if (!strcmp(o, "newapi")) newapi = 1;
    else if (!strcmp(o, "vfork")) usevfork = 1;
    else if (!strcmp(o, "par-net")) parnet = 1;
    else if (!strcmp(o, "share-mask")) sharemask = 1;
    else if (!strcmp(o, "unshare")) useunshare = 1;
    else if (!strcmp(o, "v1")) force = 1;
    else if (!strcmp(o, "v2")) force = 0;
    else if (!strcmp(o, "times")) times = atoi(argv[++i]);
    else if (!strcmp(o, "exec")) { target = atoi(argv[++i]); i++; break; }
    else if (!strcmp(o, "seccomp-bpf")) { int fd = CK(open(argv[++i], O_RDONLY | O_CLOEXEC)); static struct sock_filter f[4096]; int n = CK(read(fd, f, sizeof f)); big.len = n / sizeof *f; big.filter = f; close(fd); }
    else if (!strncmp(o, "no-", 3)) { unsigned k; for (k = 0; k < sizeof off / sizeof *off; k++) if (!strcmp(off[k].n, o + 3)) { on &= ~off[k].f; break; } if (k == sizeof off / sizeof *off) { fprintf(stderr, "bad option %s\n", argv[i]); return 2; } }
    else { fprintf(stderr, "bad option %s\n", argv[i]); return 2; }
  }
  struct statfs sf; v1 = force >= 0 ? force : !(statfs("/sys/fs/cgroup", &sf) == 0 && sf.f_type == CGROUP2_SUPER_MAGIC);
  if (v1) on &= ~F_CGNS;
  if (!(on & F_CGROUP)) on &= ~F_CGNS;
  if (target) return do_exec(target, argv + i);
  if (argc - i < 2) { fprintf(stderr, "usage: floor [opts] ROOTFS CMD...\n"); return 2; }
  rootfs = argv[i]; char **cmd = argv + i + 1;
  if (!times) return run(cmd);
  ts = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (ts == MAP_FAILED) die("mmap");
  uint64_t *s = calloc((size_t) times * (P_N + 1), 8);
  for (int k = 0; k < times; k++) {
    memset(ts, 0, P_N * 8); if (run(cmd)) return 1;
    /* parent-side clone runs in parallel with the child: child phases chain from P_CLONE's start */
    uint64_t prev = ts[P_CGMK];
    s[0 * times + k] = ts[P_RMDIR] - ts[P_START];
    s[P_CGMK * times + k] = ts[P_CGMK] - ts[P_START]; s[P_CLONE * times + k] = ts[P_CLONE] - ts[P_CGMK];
    for (int p = P_CHILD; p < P_N; p++) { s[p * times + k] = ts[p] > prev ? ts[p] - prev : 0; if (ts[p]) prev = ts[p]; }
  }
  for (int p = 0; p < P_N; p++) { qsort(s + p * times, times, 8, cmpu); fprintf(stderr, "%-24s %8.1f us (p10 %.1f)\n", p ? pname[p] : "TOTAL", s[p * times + times / 2] / 1e3, s[p * times + times / 10] / 1e3); }
  return 0;
}

"""Packages of Debian, also of other releases and architectures, unpacked without installing them."""
import glob, os, subprocess

QUIET = dict(stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)


class Packages:
    """Those that this machine's apt knows, or those of `suites` for `architecture`; `top` holds what is on the way."""

    def __init__(self, top, suites=(), architecture="amd64"):
        os.chmod(top, 0o755)  # apt downloads as a user of its own
        self.top, self.options = top, []
        if suites:
            for folder in ("lists/partial", "cache/archives/partial"):
                os.makedirs(os.path.join(top, folder))
            with open(top + "/sources.list", "w") as f:
                f.writelines("deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian %s main\n" % suite
                             for suite in suites)
            self.options = ["-o" + o for o in (
                "APT::Architecture=" + architecture, "APT::Architectures=" + architecture, "APT::Default-Release=" + suites[-1],
                "Dir::State::lists=%s/lists" % top, "Dir::Cache=%s/cache" % top, "Dir::State::status=/dev/null",
                "Dir::Etc::sourcelist=%s/sources.list" % top, "Dir::Etc::sourceparts=/dev/null")]
        subprocess.run(["apt-get", *self.options, "-oDPkg::Lock::Timeout=300", "update"], **QUIET)

    def kernel(self, package):
        """The package of a certain kernel that `package` stands for."""
        words = subprocess.check_output(["apt-cache", *self.options, "depends", "--important", package], text=True).split()
        return next(w for w in words if w.startswith("linux-image-") and w != package)

    def unpack(self, *names):
        """Returns the directory that holds the files of these packages."""
        if names:
            subprocess.run(["apt-get", *self.options, "download", *names], cwd=self.top, **QUIET)
        root = os.path.join(self.top, "root")
        for package in glob.glob(self.top + "/*.deb"):
            subprocess.run(["dpkg-deb", "-x", package, root], check=True)
        return root

    def unpack_with_dependencies(self, *names):
        """The same for these packages and all that they need: nothing counts as installed."""
        subprocess.run(["apt-get", *self.options, "-y", "--no-install-recommends", "--download-only", "install", *names], **QUIET)
        for package in glob.glob(self.top + "/cache/archives/*.deb"):
            os.rename(package, os.path.join(self.top, os.path.basename(package)))
        return self.unpack()

#!/bin/sh
# Fills corpus/ with something to start from.
set -eu
cd "$(dirname "$0")"
mkdir -p corpus/tar corpus/unpack corpus/manifest corpus/reference corpus/challenge corpus/hosts
tree=$(mktemp -d)
trap 'rm -r "$tree"' EXIT
mkdir -p "$tree/dir/sub"
echo content >"$tree/dir/file"
ln "$tree/dir/file" "$tree/hard"
ln -s dir/file "$tree/link"
mkfifo "$tree/pipe"
touch "$tree/.wh.gone" "$tree/dir/.wh..wh..opq"
truncate -s 20000 "$tree/sparse"
echo data | dd of="$tree/sparse" bs=1 seek=9000 conv=notrunc status=none
long=$(printf 'n%.0s' $(seq 120))
echo long >"$tree/$long"
ln -s "$long/$long" "$tree/long-link"
for format in v7 oldgnu gnu ustar posix; do
    tar -C "$tree" --format $format -cf corpus/tar/$format.tar . 2>/dev/null || true
    tar -C "$tree" --format $format -S -cf corpus/tar/$format-sparse.tar sparse dir 2>/dev/null || true
done
for version in 0.0 0.1 1.0; do
    tar -C "$tree" --format posix -S --sparse-version=$version -cf corpus/tar/sparse-$version.tar sparse
done
if command -v bsdtar >/dev/null; then
    for format in pax gnutar ustar; do
        bsdtar -C "$tree" --format $format -cf corpus/tar/bsd-$format.tar . 2>/dev/null || true
    done
fi
cp corpus/tar/* corpus/unpack/
digest=sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a
descriptor() { printf '{"mediaType":"%s","size":2,"digest":"%s"}' "$1" "$digest"; }
oci=application/vnd.oci.image
printf '{"schemaVersion":2,"mediaType":"%s","config":%s,"layers":[%s],"subject":%s,"rootfs":{"type":"layers","diff_ids":["%s"]},"os":"linux","architecture":"amd64"}' \
    $oci.manifest.v1+json "$(descriptor $oci.config.v1+json)" "$(descriptor $oci.layer.v1.tar+gzip)" \
    "$(descriptor $oci.manifest.v1+json)" $digest >corpus/manifest/manifest
printf '{"schemaVersion":2,"mediaType":"%s","manifests":[%s]}' $oci.index.v1+json \
    "$(descriptor $oci.manifest.v1+json)" >corpus/manifest/index
printf 'host.example:5000/a/b:tag@%s' $digest >corpus/reference/full
printf 'docker-archive:/a/b.tar:localhost/x:1' >corpus/reference/archive
printf 'oci:/a/b:name' >corpus/reference/layout
printf 'Bearer realm="https://a.example/token",service="s",scope="repository:a:pull,push", Basic realm="x"' >corpus/challenge/both
printf '</v2/a/tags/list?last=b&n=1>; rel="next"' >corpus/challenge/link
printf 'Sun, 06 Nov 1994 08:49:37 GMT' >corpus/challenge/date
printf 'server = "https://a.example"\n[host."http://b.example/x"]\ncapabilities = ["pull", "resolve"]\nca = ["a.crt"]\nclient = [["c", "k"]]\nskip_verify = true\noverride_path = true\n' >corpus/hosts/full

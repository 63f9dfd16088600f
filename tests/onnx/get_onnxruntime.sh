#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# ONNX Runtime as its tests use it: get_onnxruntime.sh FOLDER puts include/ and lib/ there, the
# library for x86-64 Linux from an npm package, its headers from the package of Debian 13. Does
# nothing if they are there already. Fails, with one line, where there is no npm, apt or network.
set -euo pipefail
version=1.21.0 # of both packages
folder=$1
[[ -e $folder/lib/libonnxruntime.so && $(cat "$folder/version" 2>/dev/null) == "$version" ]] && exit
[[ $(uname -sm) == "Linux x86_64" ]] || { echo "get_onnxruntime: only for Linux on x86-64" >&2; exit 1; }
for program in npm apt-get dpkg-deb; do
  command -v $program >/dev/null || { echo "get_onnxruntime: $program is missing" >&2; exit 1; }
done

rm -rf "$folder"
mkdir -p "$folder/get/lists/partial" "$folder/get/cache/archives/partial" "$folder/get/sources"
cd "$folder/get"
npm pack --silent "onnxruntime-node@$version" >/dev/null ||
  { echo "get_onnxruntime: npm cannot get onnxruntime-node $version" >&2; exit 1; }
# Debian 13's lists of packages are read here, beside those of the machine, which stay as they are.
cat >sources/trixie.sources <<'SOURCE'
Types: deb
URIs: http://deb.debian.org/debian
Suites: trixie
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
SOURCE
apt=(apt-get -qq -o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$PWD/sources"
  -o "Dir::State::Lists=$PWD/lists" -o "Dir::Cache=$PWD/cache" -o APT::Sandbox::User=root)
{ "${apt[@]}" update && "${apt[@]}" download "libonnxruntime-dev=$version+dfsg-1"; } >/dev/null ||
  { echo "get_onnxruntime: apt-get cannot get libonnxruntime-dev $version of Debian 13" >&2; exit 1; }
sha256sum --check --quiet <<'SUMS'
c711a4048a8b460a70de25a5008b1628e3773878ef9deec1dd4a4ccab46de01a  onnxruntime-node-1.21.0.tgz
14f7d959d5deacbcf1504830d4189f91fc67382b399ed9ae9d3aa9c4050ced08  libonnxruntime-dev_1.21.0+dfsg-1_amd64.deb
SUMS
tar -xzf "onnxruntime-node-$version.tgz" package/bin/napi-v3/linux/x64/libonnxruntime.so.1
dpkg-deb -x "libonnxruntime-dev_$version+dfsg-1_amd64.deb" headers
mkdir ../lib
mv package/bin/napi-v3/linux/x64/libonnxruntime.so.1 ../lib/
ln -s libonnxruntime.so.1 ../lib/libonnxruntime.so
mv headers/usr/include ..
mv headers/usr/share/doc/libonnxruntime-dev/copyright ../LICENSE
cd ..
rm -rf get
echo "$version" >version

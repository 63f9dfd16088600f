#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# llama.cpp as its tests use it: get_llama_cpp.sh FOLDER puts include/ and lib/ there, from two npm
# packages that hold built libraries for x86-64 Linux and the source that they were built of. Does
# nothing if they are there already. Fails, with one line, where there is no npm or no network.
set -euo pipefail
version=3.21.1 # of both packages; llama.cpp v0.4.0
folder=$1
[[ -e $folder/lib/libllama.so && $(cat "$folder/version" 2>/dev/null) == "$version" ]] && exit
[[ $(uname -sm) == "Linux x86_64" ]] || { echo "get_llama_cpp: only for Linux on x86-64" >&2; exit 1; }
command -v npm >/dev/null || { echo "get_llama_cpp: npm is missing" >&2; exit 1; }

rm -rf "$folder"
mkdir -p "$folder/lib" "$folder/get"
cd "$folder/get"
npm pack --silent "@node-llama-cpp/linux-x64@$version" "node-llama-cpp@$version" >/dev/null ||
  { echo "get_llama_cpp: npm cannot get node-llama-cpp $version" >&2; exit 1; }
sha256sum --check --quiet <<'SUMS'
4b5b65a8b2611d8af94349b02d815c0f424a30a0a19aef2be5db25ecfef6730f  node-llama-cpp-linux-x64-3.21.1.tgz
7a231d6bafa14142a1cbed9893d4ec5bc6041b2a5f5939a623accaab4203c11f  node-llama-cpp-3.21.1.tgz
SUMS
tar -xzf "node-llama-cpp-linux-x64-$version.tgz" --wildcards '*/libllama.*' '*/libggml*'
mv package/bins/linux-x64/* ../lib/
tar -xzf "node-llama-cpp-$version.tgz" package/llama/gitRelease.bundle
git clone --quiet --bare package/llama/gitRelease.bundle source.git 2>/dev/null
git -C source.git archive HEAD include ggml/include LICENSE | tar -x
mkdir ../include
mv include/llama.h ggml/include/*.h ../include/
mv LICENSE ..
cd ..
for library in llama ggml; do
  ln -s "$(cd lib && ls lib$library.v*.so)" "lib/lib$library.so"
done
rm -rf get
echo "$version" >version

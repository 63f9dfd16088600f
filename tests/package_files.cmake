# What files at the root say of the package is what CMake knows: cmake -DROOT=… -DVERSION=… -P package_files.cmake
foreach(file "CITATION.cff:\nversion: ${VERSION}\n" "README.md:\nVersion ${VERSION}\\. "
    "python/pyproject.toml:\nversion = \"${VERSION}\"\n" "python/partita/__init__.py:\n__version__ = \"${VERSION}\"\n"
    "CHANGELOG.md:\n## ${VERSION}[ \n]")
  string(REGEX MATCH "^([^:]+):(.*)$" found "${file}")
  set(name ${CMAKE_MATCH_1})
  file(READ ${ROOT}/${name} text)
  if(NOT text MATCHES "${CMAKE_MATCH_2}")
    message(FATAL_ERROR "${name} does not say that the version is ${VERSION}")
  endif()
endforeach()

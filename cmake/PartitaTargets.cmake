# SPDX-License-Identifier: Apache-2.0
# The few things that all targets share: language, warnings, sanitizers; and how a test is added.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 11) # of the tests of the C interface
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

add_library(partita_build INTERFACE) # not installed: how we build, not what users need
target_compile_options(partita_build INTERFACE -Wall -Wextra -Wconversion -Wshadow
  $<$<BOOL:${PARTITA_WERROR}>:-Werror>
  $<$<CXX_COMPILER_ID:Clang>:-Wno-sign-conversion> # which GCC's -Wconversion leaves out as well
  $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess> # lets ccache see through precompiled headers
  $<$<COMPILE_LANGUAGE:CXX>:-fvisibility-inlines-hidden>
  -fPIC # everywhere, so that programs can use the precompiled headers of libraries
  -ffp-contract=off) # a * b + c must round alike in every build: results are promised to the bit
# What GCC 13 and later say of a vector<bool> in libtorch's custom_function.h.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 13)
  set(PARTITA_LIBTORCH_OPTIONS -Wno-array-bounds -Wno-stringop-overflow)
endif()
if(PARTITA_SANITIZE)
  target_compile_options(partita_build INTERFACE -fsanitize=${PARTITA_SANITIZE}
    -fno-sanitize-recover=all -fno-omit-frame-pointer
    $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>) # then said of <regex>, std::optional and c10::optional
  # RPATH, not RUNPATH: AddressSanitizer's own dlopen is who asks for a module, not the program.
  target_link_options(partita_build INTERFACE -fsanitize=${PARTITA_SANITIZE} -Wl,--disable-new-dtags)
endif()

# A shared library exports only partita's own symbols, and nothing that it instantiates of others.
set(PARTITA_EXPORTS "-Wl,--version-script=${PROJECT_SOURCE_DIR}/cmake/exports.map")

# partita_units(TARGET UNIT...): for a UNIT x, x.cpp is a source of TARGET, x.hpp a public header and
# x_test.cpp a test, where there is one. What lies in internal/ is not installed, and a shared
# library does not export it (so its tests need a static one). Sets `tests`.
function(partita_units target)
  set(found "")
  foreach(unit IN LISTS ARGN)
    set(path "${CMAKE_CURRENT_SOURCE_DIR}/${unit}")
    if(NOT EXISTS "${path}.cpp" AND NOT EXISTS "${path}.hpp")
      message(FATAL_ERROR "${path}: neither .hpp nor .cpp")
    endif()
    if(EXISTS "${path}.cpp")
      target_sources(${target} PRIVATE "${path}.cpp")
    endif()
    if(EXISTS "${path}.hpp" AND NOT unit MATCHES "internal/")
      target_sources(${target} PUBLIC FILE_SET HEADERS BASE_DIRS "${PROJECT_SOURCE_DIR}"
        FILES "${path}.hpp")
    endif()
    # A source with options of its own leaves its unity batch: of partita_learn only if it is shared.
    if(unit MATCHES "internal/" AND EXISTS "${path}.cpp" AND (BUILD_SHARED_LIBS OR target STREQUAL partita))
      set_source_files_properties("${path}.cpp" TARGET_DIRECTORY ${target}
        PROPERTIES COMPILE_OPTIONS -fvisibility=hidden)
    endif()
    if(EXISTS "${path}_test.cpp" AND NOT (BUILD_SHARED_LIBS AND unit MATCHES "internal/"))
      list(APPEND found "${path}_test.cpp")
    endif()
  endforeach()
  set(tests "${found}" PARENT_SCOPE)
endfunction()

# partita_test(NAME SOURCE... [LIBRARIES ...] [DEFINITIONS ...] [SOURCES]): a GoogleTest program.
# ctest knows each of its tests or, with SOURCES, each of its sources: of those that take long to start.
function(partita_test name)
  if(NOT PARTITA_TESTS)
    return()
  endif()
  cmake_parse_arguments(arg "SOURCES" "" "LIBRARIES;DEFINITIONS" ${ARGN})
  find_package(GTest REQUIRED)
  find_package(rapidcheck REQUIRED)
  include(GoogleTest)
  add_executable(${name} ${arg_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE partita partita_build partita_test_support
    fmt::fmt GTest::gmock GTest::gtest_main ${arg_LIBRARIES})
  target_compile_definitions(${name} PRIVATE ${arg_DEFINITIONS})
  target_compile_options(${name} PRIVATE $<$<CONFIG:Release>:-O1>) # compiles in half the time
  if(NOT arg_SOURCES)
    gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60
      PROPERTIES TIMEOUT 600)
    return()
  endif()
  set(known "")
  foreach(source IN LISTS arg_UNPARSED_ARGUMENTS)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${source}")
    file(STRINGS "${source}" lines REGEX "^(TYPED_)?TEST(_F|_P)?\\(")
    set(filter "")
    foreach(line IN LISTS lines)
      string(REGEX REPLACE "^[A-Z_]+\\(([A-Za-z0-9_]+),.*$" "\\1" suite "${line}")
      if(NOT suite IN_LIST known)
        list(APPEND known ${suite})
        list(APPEND filter "${suite}.*" "*/${suite}.*" "${suite}/*")
      endif()
    endforeach()
    if(filter)
      cmake_path(GET source STEM stem)
      string(REGEX REPLACE "_test$" "" stem ${stem})
      string(JOIN ":" filter ${filter})
      add_test(NAME ${name}.${stem} COMMAND ${name} "--gtest_filter=${filter}")
      set_tests_properties(${name}.${stem} PROPERTIES TIMEOUT 600)
    endif()
  endforeach()
endfunction()

# partita_pkg_config(NAME TARGET DESCRIPTION [REQUIRES "..."] [LIBS "..."] [PRIVATE_REQUIRES "..."]
# [PRIVATE_LIBS "..."] [CFLAGS "..."]): NAME.pc, which finds what it names from where it lies. What is
# private is only for linking, and so is everyone's where TARGET is static.
function(partita_pkg_config name target description)
  cmake_parse_arguments(arg "" "REQUIRES;LIBS;PRIVATE_REQUIRES;PRIVATE_LIBS;CFLAGS" "" ${ARGN})
  get_target_property(type ${target} TYPE)
  if(type STREQUAL "STATIC_LIBRARY")
    string(APPEND arg_REQUIRES " ${arg_PRIVATE_REQUIRES}")
    string(APPEND arg_LIBS " ${arg_PRIVATE_LIBS}")
  endif()
  file(RELATIVE_PATH prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
  configure_file(${PROJECT_SOURCE_DIR}/cmake/partita.pc.in ${CMAKE_CURRENT_BINARY_DIR}/${name}.pc @ONLY)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endfunction()

# partita_component(NAME UNIT...): the library partita_NAME, target partita::NAME, of these units, which
# stands on something that not everybody has. Installed as a component of its own, which is in no Debian
# package. Sets `tests`.
function(partita_component name)
  add_library(partita_${name})
  add_library(partita::${name} ALIAS partita_${name})
  target_link_libraries(partita_${name} PUBLIC partita
    PRIVATE $<BUILD_INTERFACE:partita_build> fmt::fmt)
  set_target_properties(partita_${name} PROPERTIES EXPORT_NAME ${name}
    VERSION ${PROJECT_VERSION} SOVERSION ${PARTITA_SOVERSION})
  partita_units(partita_${name} ${ARGN})
  set(tests ${tests} PARENT_SCOPE)
  if(PARTITA_INSTALL)
    string(SUBSTRING ${name} 0 1 initial)
    string(SUBSTRING ${name} 1 -1 rest)
    string(TOUPPER ${initial} initial)
    set(targets partita${initial}${rest}) # as partitaConfig.cmake calls them
    install(TARGETS partita_${name} EXPORT ${targets}Targets COMPONENT ${name}
      FILE_SET HEADERS COMPONENT ${name})
    install(EXPORT ${targets}Targets NAMESPACE partita:: COMPONENT ${name}
      DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/partita)
  endif()
endfunction()

# partita_leave_out(NAME WHAT HOW): what a component NAME needs was not found. With PARTITA_<NAME>=AUTO
# a test of that name says that it was skipped; with ON, HOW says where to get it.
function(partita_leave_out name what how)
  string(TOUPPER ${name} upper)
  if(NOT PARTITA_${upper} STREQUAL "AUTO")
    message(FATAL_ERROR "PARTITA_${upper}=ON needs ${what} ${how} and say where with -DPARTITA_${upper}_ROOT=…")
  endif()
  message(STATUS "partita::${name} is left out: ${what} was not found (PARTITA_${upper}_ROOT)")
  if(PARTITA_TESTS)
    add_test(NAME ${name}.IsLeftOut COMMAND ${CMAKE_COMMAND} -E echo "skipped: no ${what}")
    set_tests_properties(${name}.IsLeftOut PROPERTIES SKIP_REGULAR_EXPRESSION "skipped")
  endif()
endfunction()

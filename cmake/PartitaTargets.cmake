# The few things that all targets share: language, warnings, sanitizers; and how a test is added.

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
endif()

add_library(partita_build INTERFACE) # not installed: how we build, not what users need
target_compile_options(partita_build INTERFACE -Wall -Wextra -Wconversion -Wshadow
  $<$<BOOL:${PARTITA_WERROR}>:-Werror>
  $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess> # lets ccache see through precompiled headers
  -ffp-contract=off) # a * b + c must round alike in every build: results are promised to the bit
if(PARTITA_SANITIZE)
  target_compile_options(partita_build INTERFACE -fsanitize=${PARTITA_SANITIZE}
    -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(partita_build INTERFACE -fsanitize=${PARTITA_SANITIZE})
endif()

# partita_test(NAME SOURCE... [LIBRARIES ...]): a GoogleTest program, each of its tests known to ctest.
function(partita_test name)
  if(NOT PARTITA_TESTS)
    return()
  endif()
  cmake_parse_arguments(arg "" "" "LIBRARIES" ${ARGN})
  find_package(GTest REQUIRED)
  find_package(rapidcheck REQUIRED)
  include(GoogleTest)
  add_executable(${name} ${arg_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE partita partita_build partita_test_support
    fmt::fmt GTest::gmock GTest::gtest_main ${arg_LIBRARIES})
  gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60
    PROPERTIES TIMEOUT 600)
endfunction()

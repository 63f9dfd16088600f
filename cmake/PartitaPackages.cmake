# SPDX-License-Identifier: Apache-2.0
# Debian packages by CPack: partita (the command, which needs no libtorch), partita-learn (the
# subcommands that do), libpartita-c (for other languages), libpartita-dev (headers and static
# libraries), python3-partita and python3-partita-torch (its part on libtorch).
#
#   cpack -G DEB --config build/release/CPackConfig.cmake -B build/packages
set(CPACK_PACKAGE_NAME partita)
set(CPACK_PACKAGE_CONTACT "The developers of Partita <developers@partita.invalid>")
set(CPACK_PACKAGE_FILE_NAME "partita-${PROJECT_VERSION}-${CMAKE_SYSTEM_PROCESSOR}")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_RESOURCE_FILE_LICENSE "${PROJECT_SOURCE_DIR}/LICENSE")
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL command c dev)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_GROUPING IGNORE)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)

set(CPACK_DEBIAN_COMMAND_PACKAGE_NAME partita)
set(CPACK_DEBIAN_COMMAND_DESCRIPTION "Draws without replacement from logits and language models, calibrates
probabilities, tells inputs of no known class, and trains word vectors.")
set(CPACK_DEBIAN_COMMAND_PACKAGE_RECOMMENDS "gnuplot-nox") # draws the reports
set(CPACK_DEBIAN_C_PACKAGE_NAME libpartita-c)
set(CPACK_DEBIAN_C_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_C_DESCRIPTION "The sampler and the searches of Partita behind a C interface, for programs
in any language that can call C.")
set(CPACK_DEBIAN_DEV_PACKAGE_NAME libpartita-dev)
set(CPACK_DEBIAN_DEV_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEV_DESCRIPTION "Headers and static libraries for C++20, for find_package(partita) in CMake.")
set(CPACK_DEBIAN_DEV_PACKAGE_DEPENDS "libpartita-c (= ${PROJECT_VERSION}), libfmt-dev, libhwy-dev, liblbfgs-dev, libtbb-dev, zlib1g-dev")
if(PARTITA_LEARN)
  list(APPEND CPACK_COMPONENTS_ALL learn)
  set(CPACK_DEBIAN_LEARN_PACKAGE_NAME partita-learn)
  set(CPACK_DEBIAN_LEARN_PACKAGE_DEPENDS "partita (= ${PROJECT_VERSION}), fonts-dejavu-core") # it renders digits
  set(CPACK_DEBIAN_LEARN_PACKAGE_RECOMMENDS "gnuplot-nox")
  set(CPACK_DEBIAN_LEARN_DESCRIPTION "The subcommands of partita that need libtorch: gradient estimators,
noise-contrastive training, classifiers that are unsure about the unknown,
variational auto-encoders, SeqGAN, neural language models.")
  # With find_package(partita COMPONENTS learn).
  set(CPACK_DEBIAN_DEV_PACKAGE_RECOMMENDS "libtorch-dev")
endif()
if(PARTITA_PYTHON)
  list(APPEND CPACK_COMPONENTS_ALL python)
  set(CPACK_DEBIAN_PYTHON_PACKAGE_NAME python3-partita)
  set(CPACK_DEBIAN_PYTHON_PACKAGE_SECTION python)
  math(EXPR next_minor "${PARTITA_PYTHON_MINOR} + 1") # the module is for one version
  set(CPACK_DEBIAN_PYTHON_PACKAGE_DEPENDS
    "python3 (>= 3.${PARTITA_PYTHON_MINOR}), python3 (<< 3.${next_minor}), python3-numpy")
  set(CPACK_DEBIAN_PYTHON_PACKAGE_RECOMMENDS "python3-torch")
  set(CPACK_DEBIAN_PYTHON_PACKAGE_SUGGESTS "python3-tqdm, python3-sklearn, python3-matplotlib")
  set(CPACK_DEBIAN_PYTHON_DESCRIPTION "Sampling without replacement, searches over language models, calibration,
detection of unknown inputs and word vectors, on numpy and torch arrays.")
endif()
if(TARGET partita_learn_python)
  list(APPEND CPACK_COMPONENTS_ALL python_torch)
  set(CPACK_DEBIAN_PYTHON_TORCH_PACKAGE_NAME python3-partita-torch)
  set(CPACK_DEBIAN_PYTHON_TORCH_PACKAGE_SECTION python)
  set(CPACK_DEBIAN_PYTHON_TORCH_PACKAGE_DEPENDS "python3-partita (= ${PROJECT_VERSION}), python3-torch")
  set(CPACK_DEBIAN_PYTHON_TORCH_DESCRIPTION "The module partita.torch: gradients through samples, losses of large output
layers, the distributions that torch.distributions lacks, and neural language models.")
endif()
include(CPack)

# SPDX-License-Identifier: Apache-2.0
#
# What `cmake --install` adds to the executable: the public headers, cnode.pc
# for pkg-config and the package for find_package(cnode). All of it may be
# moved to another folder after installation.
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/cnode)

install(DIRECTORY include/cnode
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
    FILES_MATCHING PATTERN "*.h" PATTERN "*.def")

# From lib/pkgconfig, or lib/<machine>/pkgconfig, back to the prefix.
file(RELATIVE_PATH back_to_prefix
    ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
string(REGEX REPLACE "/$" "" back_to_prefix "${back_to_prefix}")
configure_file(cmake/cnode.pc.in cnode.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/cnode.pc
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

configure_package_config_file(cmake/cnode-config.cmake.in cnode-config.cmake
    INSTALL_DESTINATION ${package_dir}
    PATH_VARS CMAKE_INSTALL_INCLUDEDIR CMAKE_INSTALL_BINDIR)
write_basic_package_version_file(
    ${PROJECT_BINARY_DIR}/cnode-config-version.cmake
    VERSION ${PROJECT_VERSION} COMPATIBILITY SameMinorVersion)
install(FILES
    ${PROJECT_BINARY_DIR}/cnode-config.cmake
    ${PROJECT_BINARY_DIR}/cnode-config-version.cmake
    DESTINATION ${package_dir})

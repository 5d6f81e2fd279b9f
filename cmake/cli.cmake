# The program people run: one file a command.
file(GLOB cli CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/cli/*.cc)
list(FILTER cli EXCLUDE REGEX "_test\\.cc$")
configure_file(${CMAKE_SOURCE_DIR}/src/cli/version.h.in ${CMAKE_BINARY_DIR}/generated/cli/version.h @ONLY)
add_executable(glassbox ${cli})
target_include_directories(glassbox PRIVATE ${CMAKE_SOURCE_DIR}/src ${CMAKE_BINARY_DIR}/generated)
target_link_libraries(glassbox PRIVATE glassbox_server glassbox_train prism_world glassbox_audit glassbox_eval CLI11::CLI11 PkgConfig::EDIT)

# The hub's floor: repositories over a store of chunks, and what the Xet protocol is made of (src/hub/xet).

# BLAKE3 in C and assembly by its authors, as Debian ships it within librust-blake3-dev. It looks at the machine when it
# first hashes, so the assembly is built for all.
file(GLOB found /usr/share/cargo/registry/blake3-*/c/blake3_dispatch.c)
if(NOT found)
  message(FATAL_ERROR "BLAKE3's C sources are not in /usr/share/cargo/registry: install librust-blake3-dev")
endif()
list(GET found 0 found)
cmake_path(GET found PARENT_PATH blake3)
add_library(blake3 STATIC ${blake3}/blake3.c ${blake3}/blake3_dispatch.c ${blake3}/blake3_portable.c)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  foreach(set sse2 sse41 avx2 avx512)
    target_sources(blake3 PRIVATE ${blake3}/blake3_${set}_x86-64_unix.S)
  endforeach()
else()
  target_compile_definitions(blake3 PRIVATE BLAKE3_USE_NEON=0)
endif()
target_compile_options(blake3 PRIVATE -w)
target_include_directories(blake3 SYSTEM INTERFACE ${blake3})

pkg_check_modules(LZ4 REQUIRED IMPORTED_TARGET liblz4)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3)
find_package(CURL REQUIRED)
find_package(ZLIB REQUIRED)
pkg_check_modules(ARGON2 REQUIRED IMPORTED_TARGET libargon2)
glassbox_floor(hub USES glassbox_convert OpenSSL::Crypto)
target_link_libraries(glassbox_hub PRIVATE blake3 PkgConfig::ARGON2 PkgConfig::LZ4 PkgConfig::SQLITE CURL::libcurl ZLIB::ZLIB)
target_link_libraries(test_hub PRIVATE PkgConfig::LZ4 ZLIB::ZLIB)  # to make what strangers may send

# The clients that people have, against the program itself. Skipped (77) where a client is not installed.
foreach(test hub_python hub_cli hub_curl hub_git)
  add_test(NAME conformance.${test}
    COMMAND sh -c "python=build/venv/bin/python; [ -x $python ] || python=python3; exec $python tests/clients/${test}_test.py $<TARGET_FILE:glassbox>"
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(conformance.${test} PROPERTIES LABELS conformance SKIP_RETURN_CODE 77 TIMEOUT 900)
endforeach()
add_test(NAME conformance.hub_javascript
  COMMAND node tests/clients/hub_javascript_test.mjs $<TARGET_FILE:glassbox> WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
set_tests_properties(conformance.hub_javascript PROPERTIES LABELS conformance SKIP_RETURN_CODE 77 TIMEOUT 900
  ENVIRONMENT GLASSBOX_JS_CLIENT=${CMAKE_SOURCE_DIR}/build/javascript)
# A hub that is killed again and again loses nothing.
add_test(NAME conformance.hub_kill
  COMMAND python3 tests/clients/hub_kill_test.py $<TARGET_FILE:glassbox> WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
set_tests_properties(conformance.hub_kill PROPERTIES LABELS conformance TIMEOUT 900)

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
glassbox_floor(hub USES glassbox_convert OpenSSL::Crypto)
target_link_libraries(glassbox_hub PRIVATE blake3 PkgConfig::LZ4 PkgConfig::SQLITE CURL::libcurl)
target_link_libraries(test_hub PRIVATE PkgConfig::LZ4)  # to make what strangers may send

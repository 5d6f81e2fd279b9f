# The pages: web/ built with npm, packed into glassbox_web (web/embed/assets.h).
# Without GLASSBOX_WEB the library is there and holds no page: nothing of npm is needed then.
set(web_default ON)
if(GLASSBOX_SANITIZE OR GLASSBOX_FUZZ)
  set(web_default OFF)
endif()
option(GLASSBOX_WEB "Build the web pages into the binary (needs nodejs 18 and npm 9 or newer)" ${web_default})

set(web_out ${CMAKE_BINARY_DIR}/web)
add_library(glassbox_web STATIC web/embed/assets.cc)
target_include_directories(glassbox_web PUBLIC ${CMAKE_SOURCE_DIR} PRIVATE ${web_out})
target_compile_definitions(glassbox_web PRIVATE GLASSBOX_WEB=$<BOOL:${GLASSBOX_WEB}>)

add_executable(test_web web/embed/assets_test.cc)
find_package(ZLIB REQUIRED)
target_link_libraries(test_web PRIVATE glassbox_web glassbox_testing fmt::fmt OpenSSL::Crypto ZLIB::ZLIB GTest::gtest_main)
target_compile_definitions(test_web PRIVATE GLASSBOX_WEB=$<BOOL:${GLASSBOX_WEB}>)
gtest_discover_tests(test_web TEST_PREFIX "web." WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} PROPERTIES LABELS web)

if(GLASSBOX_WEB)
  find_program(NODE NAMES node nodejs)
  find_program(NPM npm)
  if(NOT NODE OR NOT NPM)
    message(FATAL_ERROR "The pages need nodejs and npm: install them, or configure with -DGLASSBOX_WEB=OFF")
  endif()
  file(GLOB_RECURSE web_sources CONFIGURE_DEPENDS
    ${CMAKE_SOURCE_DIR}/web/src/* ${CMAKE_SOURCE_DIR}/web/public/*)
  list(FILTER web_sources EXCLUDE REGEX "\\.test\\.ts$")
  foreach(file index.html places.json package.json package-lock.json vite.config.ts svelte.config.js tsconfig.json)
    list(APPEND web_sources ${CMAKE_SOURCE_DIR}/web/${file})
  endforeach()
  # flock: two build folders share web/node_modules.
  add_custom_command(
    OUTPUT ${web_out}/assets.bin ${web_out}/asset_table.inc
    COMMAND ${CMAKE_COMMAND} -E make_directory ${web_out}
    COMMAND flock ${CMAKE_SOURCE_DIR}/web/package.json ${NODE} ${CMAKE_SOURCE_DIR}/web/embed/build.mjs ${web_out}
    DEPENDS ${web_sources} ${CMAKE_SOURCE_DIR}/web/embed/build.mjs
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}/web
    COMMENT "Building the pages" VERBATIM)
  file(CONFIGURE OUTPUT ${web_out}/assets.S @ONLY CONTENT [[
  .section .rodata
  .balign 16
  .globl glassbox_assets
glassbox_assets:
  .incbin "@web_out@/assets.bin"
  .byte 0
  .section .note.GNU-stack,"",@progbits
]])
  target_sources(glassbox_web PRIVATE ${web_out}/assets.S ${web_out}/asset_table.inc)
  set_source_files_properties(${web_out}/assets.S PROPERTIES OBJECT_DEPENDS ${web_out}/assets.bin)

  # What the pages compute, and the pages themselves as people use them (skipped where there is no Chromium).
  add_test(NAME web.unit COMMAND ${NPM} --silent test WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}/web)
  set_tests_properties(web.unit PROPERTIES LABELS web TIMEOUT 300)
  add_test(NAME web.types COMMAND ${NPM} --silent run check WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}/web)
  set_tests_properties(web.types PROPERTIES LABELS web TIMEOUT 300)
  add_test(NAME web.pages COMMAND ${NODE} ${CMAKE_SOURCE_DIR}/tests/web/run.mjs --dist ${web_out}/dist
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(web.pages PROPERTIES LABELS conformance TIMEOUT 3000 SKIP_RETURN_CODE 77 PROCESSORS 2)
endif()

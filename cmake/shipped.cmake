# The models that Glassbox ships, in the binary: models/prism/weights is a published folder. Where it is absent (before the
# first training), nothing is shipped.
set(prism ${CMAKE_SOURCE_DIR}/models/prism/weights)
set(GLASSBOX_SHIPS_PRISM 0)
if(EXISTS ${prism}/model.safetensors)
  set(GLASSBOX_SHIPS_PRISM 1)
  set(assembly "  .section .rodata\n")
  foreach(entry IN ITEMS config:config.json generation_config:generation_config.json tokenizer:tokenizer.json
                         tokenizer_config:tokenizer_config.json chat_template:chat_template.jinja card:README.md
                         loss:loss.json weights:model.safetensors)
    string(REPLACE ":" ";" entry ${entry})
    list(GET entry 0 symbol)
    list(GET entry 1 file)
    list(APPEND files ${prism}/${file})
    string(APPEND assembly "  .balign 64\n  .globl glassbox_prism_${symbol}\nglassbox_prism_${symbol}:\n"
      "  .incbin \"${prism}/${file}\"\n  .globl glassbox_prism_${symbol}_end\nglassbox_prism_${symbol}_end:\n  .byte 0\n")
  endforeach()
  # How it was made, for its repository: recipe, data generator and stories, each with its name in a table.
  file(GLOB sources CONFIGURE_DEPENDS RELATIVE ${CMAKE_SOURCE_DIR}/models/prism
    ${CMAKE_SOURCE_DIR}/models/prism/*.cc ${CMAKE_SOURCE_DIR}/models/prism/*.h ${CMAKE_SOURCE_DIR}/models/prism/*.txt
    ${CMAKE_SOURCE_DIR}/models/prism/*.toml)
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$|^smoke\\.toml$")
  set(table "  .section .data.rel.ro,\"aw\"\n  .balign 8\n  .globl glassbox_prism_sources\nglassbox_prism_sources:\n")
  set(number 0)
  foreach(source IN LISTS sources)
    set(at ${CMAKE_SOURCE_DIR}/models/prism/${source})
    list(APPEND files ${at})
    string(APPEND assembly "Lname${number}:\n  .asciz \"${source}\"\nLbytes${number}:\n  .incbin \"${at}\"\nLend${number}:\n")
    string(APPEND table "  .quad Lname${number}, Lbytes${number}, Lend${number}\n")
    math(EXPR number "${number} + 1")
  endforeach()
  string(APPEND assembly "${table}  .quad 0, 0, 0\n")
  string(APPEND assembly "  .section .note.GNU-stack,\"\",@progbits\n")
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/shipped.S CONTENT "${assembly}" @ONLY)
  set_source_files_properties(${CMAKE_BINARY_DIR}/shipped.S PROPERTIES OBJECT_DEPENDS "${files}")
  target_sources(glassbox_formats PRIVATE ${CMAKE_BINARY_DIR}/shipped.S)
endif()
set_source_files_properties(${CMAKE_SOURCE_DIR}/src/formats/shipped.cc PROPERTIES
  COMPILE_DEFINITIONS GLASSBOX_SHIPS_PRISM=${GLASSBOX_SHIPS_PRISM})

# SPDX-License-Identifier: Apache-2.0
#
# The behaviours that ship are part of the executable. Each can be built as a
# plugin too, as its users would do it: target behaviour_<name>, which the
# tests load from ${CNODE_BEHAVIOUR_DIR}/<name>.so. One of several files has the
# others in a folder of its name.

set(CNODE_BEHAVIOUR_DIR ${PROJECT_BINARY_DIR}/behaviours)
file(GLOB behaviour_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/behaviours/*.c)

file(GLOB behaviour_parts CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/behaviours/*/*.c)

add_library(cnode_behaviours INTERFACE)
if(behaviour_sources)
    add_library(cnode_behaviour_objects OBJECT
        ${behaviour_sources} ${behaviour_parts})
    target_link_libraries(cnode_behaviour_objects PRIVATE cnode_options)
    target_include_directories(cnode_behaviour_objects
        PRIVATE ${PROJECT_SOURCE_DIR}/behaviours)
    target_compile_definitions(cnode_behaviour_objects PRIVATE CNODE_BUILTIN)
    target_sources(cnode_behaviours
        INTERFACE $<TARGET_OBJECTS:cnode_behaviour_objects>)
endif()

set(cnode_behaviour_plugins)
foreach(source IN LISTS behaviour_sources)
    get_filename_component(name ${source} NAME_WE)
    set(parts ${behaviour_parts})
    list(FILTER parts INCLUDE REGEX "/behaviours/${name}/[^/]*$")
    add_library(behaviour_${name} MODULE EXCLUDE_FROM_ALL ${source} ${parts})
    target_link_libraries(behaviour_${name} PRIVATE cnode_options)
    target_include_directories(behaviour_${name}
        PRIVATE ${PROJECT_SOURCE_DIR}/behaviours)
    set_target_properties(behaviour_${name} PROPERTIES
        PREFIX "" OUTPUT_NAME ${name}
        LIBRARY_OUTPUT_DIRECTORY ${CNODE_BEHAVIOUR_DIR})
    list(APPEND cnode_behaviour_plugins behaviour_${name})
endforeach()

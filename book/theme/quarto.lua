-- What the PDF that Quarto makes needs besides the rules in quarto.typ.  Elsewhere nothing: press has a design of its own.
if FORMAT ~= "typst" then return {} end

local SHORT = 240 -- characters of a paragraph that can go to the next page with the table that it leads to

local function begins_with_table(block)
  while block and block.t == "Div" do block = block.content[1] end
  return block and block.t == "Table"
end

local function kept_together(blocks)
  local made = pandoc.Blocks({})
  for index, block in ipairs(blocks) do
    if block.t == "Header" and block.level == 1 and block.classes:includes("unnumbered") then
      -- The template lists a chapter under the part before it, and gives it the number of the section before it.
      made:insert(pandoc.RawBlock("typst", '#state("part-state", none).update(none)'))
    end
    if block.t == "Div" then block.content = kept_together(block.content) end
    local leads = block.t == "Para" and begins_with_table(blocks[index + 1])
    if leads and pandoc.text.len(pandoc.utils.stringify(block)) < SHORT then
      made:extend({pandoc.RawBlock("typst", "#block(sticky: true)["), block, pandoc.RawBlock("typst", "]")})
    else
      made:insert(block)
    end
  end
  return made
end

function Pandoc(doc)
  doc.blocks = kept_together(doc.blocks)
  return doc
end

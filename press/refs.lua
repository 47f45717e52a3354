-- What press has pandoc do with a chapter before citeproc.
-- References (@fig-x) are taken out of its hands: they become spans that press resolves when all chapters are read.
local kinds = {}
for kind in (("fig tbl eq sec thm lem cor prp cnj def exm exr")):gmatch("%a+") do kinds[kind] = true end

local function references(cite)
  local spans = pandoc.List()
  for _, citation in ipairs(cite.citations) do
    local kind = citation.id:lower():match("^(%a+)%-")
    if kinds[kind] then
      local mode = tostring(citation.mode)
      local attributes = {{"label", citation.id}, {"mode", mode}, {"after", pandoc.utils.stringify(citation.suffix)}}
      spans:insert(pandoc.Span(citation.prefix, pandoc.Attr("", {"press-reference"}, attributes)))
    end
  end
  if #spans == 0 then return nil end
  if #spans < #cite.citations then spans:insert(pandoc.Span({}, pandoc.Attr("", {"press-mixed"}))) end
  return pandoc.Span(spans, pandoc.Attr("", {"press-references"}))
end

-- A callout's title is an attribute, and Markdown all the same.
local function titled(div)
  local title = div.attributes.title
  if not title or not div.classes:find_if(function(name) return name:match("^callout%-") end) then return nil end
  div.attributes.title = nil
  div.content:insert(1, pandoc.Header(2, pandoc.utils.blocks_to_inlines(pandoc.read(title, "markdown").blocks)))
  return div
end

return {{Div = titled}, {Cite = references}}

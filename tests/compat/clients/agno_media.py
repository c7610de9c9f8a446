"""What the published ``AgentOSClient`` of agno must be able to send with a run: images, sounds, films, files, schemas.

Runs in the locked environments of agno 3 and agno 2; the agents are those of serai_os.py.
"""

import json
from importlib.metadata import version

import httpx
from agno.client import AgentOSClient
from agno.media import Audio, File, Image, Video
from agno_calls import equal, posted, read, streamed
from checklist import check, check_generation, main

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
PDF = b"%PDF-1.4" + bytes(50)
RUNS = "/agents/media-agent/runs"
MEBIBYTE = 1024 * 1024


async def uploaded(target, *parts, **fields):
    """Send files as a browser does; return the answer."""
    data = {"message": "look", "stream": "false", **fields}
    async with httpx.AsyncClient(base_url=target.base_url) as http:
        return await http.post(RUNS, data=data, files=[("files", part) for part in parts])


@check
async def media_at_an_address_reach_the_model(target):
    run = await AgentOSClient(target.base_url).run_agent(
        "media-agent",
        "look",
        images=[Image(url="https://example.com/a.png")],
        audio=[Audio(url="https://example.com/a.mp3")],
        videos=[Video(url="https://example.com/a.mp4")],
        files=[File(url="https://example.com/a.pdf")],
    )
    places = [
        f"{kind} https://example.com/a.{end}"
        for kind, end in (("image", "png"), ("audio", "mp3"), ("video", "mp4"), ("file", "pdf"))
    ]
    equal(run.content, f"Seen: {', '.join(places)}")


@check_generation(3)
async def media_of_any_kind_reach_the_model(target):
    run = await AgentOSClient(target.base_url).run_agent(
        "media-agent",
        "look",
        images=[Image(content=PNG, mime_type="image/png")],
        audio=[Audio(content=b"ID3abc", format="mp3", mime_type="audio/mpeg")],
        videos=[Video(content=b"film", format="mp4", mime_type="video/mp4")],
        files=[File(content=PDF, filename="a.pdf", mime_type="application/pdf")],
    )
    equal(run.content, f"Seen: image {len(PNG)}, audio 6, video 4, file {len(PDF)}")


@check_generation(3)
async def media_reach_the_model_in_a_stream(target):
    client = AgentOSClient(target.base_url)
    events = await streamed(client, "media-agent", "look", images=[Image(content=PNG, mime_type="image/png")])
    equal((events[-1].event, events[-1].content), ("RunCompleted", f"Seen: image {len(PNG)}"))


@check_generation(3)
async def media_are_kept_with_the_run(target):
    run = await AgentOSClient(target.base_url).run_agent(
        "media-agent", "look", images=[Image(content=PNG, mime_type="image/png")]
    )
    [image] = run.input.images
    equal((image.content, image.mime_type), (PNG, "image/png"))
    stored = await read(target, "media-agent", run)
    equal([item["mime_type"] for item in stored["input"]["images"]], ["image/png"])


@check_generation(3)
async def a_text_file_reaches_the_model_as_its_text(target):
    files = [File(content=text, filename="a.txt", mime_type="text/plain") for text in ("a plain text", b"by bytes")]
    run = await AgentOSClient(target.base_url).run_agent("media-agent", "look", files=files)
    equal(run.content, "Seen: file 12, file 8")


@check_generation(3)
async def an_image_of_three_mebibytes_reaches_the_model(target):
    image = Image(content=PNG + bytes(3 * MEBIBYTE), mime_type="image/png")
    run = await AgentOSClient(target.base_url).run_agent("media-agent", "look", images=[image])
    equal(run.content, f"Seen: image {len(PNG) + 3 * MEBIBYTE}")


@check
async def uploads_reach_the_model(target):
    answer = await uploaded(target, ("a.png", PNG, "image/png"), ("a.pdf", PDF, "application/pdf"))
    equal(answer.status_code, 200)
    equal(answer.json()["content"], f"Seen: image {len(PNG)}, file {len(PDF)}")


@check
async def an_upload_of_a_type_that_is_not_taken_is_400(target):
    answer = await uploaded(target, ("a.exe", b"MZ", "application/x-msdownload"))
    equal(answer.status_code, 400)
    assert "Unsupported file type" in answer.json()["detail"], answer.text


@check
async def media_of_a_wrong_form_are_422(target):
    for field in ("images", "audio", "videos", "input_files"):
        answer = await posted(target, RUNS, **{"message": "look", "stream": "false", field: "{"})
        equal(answer.status_code, 422)


@check
async def an_answer_has_the_shape_of_the_schema(target):
    schema = {"title": "Four", "type": "object", "properties": {"value": {"type": "integer"}}, "required": ["value"]}
    run = await AgentOSClient(target.base_url).run_agent("shape-agent", "what is 2 + 2?", output_schema=schema)
    equal((run.content, run.content_type), ({"value": 4}, "Four"))
    events = await streamed(AgentOSClient(target.base_url), "shape-agent", "what is 2 + 2?", output_schema=schema)
    equal((events[-1].event, events[-1].content), ("RunCompleted", {"value": 4}))


@check
async def a_schema_of_a_wrong_form_is_422(target):
    answer = await posted(target, RUNS, message="look", stream="false", output_schema="{")
    equal(answer.status_code, 422)


@check
async def a_run_without_media_says_so(target):
    answer = await posted(target, RUNS, message="look", stream="false", images=json.dumps([]))
    equal(answer.json()["content"], "Seen: nothing")


# --- teams and workflows


@check_generation(3)
async def media_of_a_team_reach_its_leader_and_its_member(target):
    run = await AgentOSClient(target.base_url).run_team(
        "media-team",
        "look",
        images=[Image(content=PNG, mime_type="image/png")],
        files=[File(content=PDF, filename="a.pdf", mime_type="application/pdf")],
    )
    seen = f"Seen: image {len(PNG)}, file {len(PDF)}"
    equal(run.content, f"Leader: {seen}; seer: {seen}")


@check_generation(3)
async def media_of_a_workflow_reach_the_agent_in_its_step(target):
    run = await AgentOSClient(target.base_url).run_workflow(
        "media-workflow", "look", images=[Image(content=PNG, mime_type="image/png")]
    )
    equal(run.content, f"finished: Seen: image {len(PNG)}")


@check
async def an_upload_to_a_team_reaches_its_leader_and_its_member(target):
    async with httpx.AsyncClient(base_url=target.base_url) as http:
        parts = [("files", ("a.png", PNG, "image/png"))]
        fields = {"message": "look", "stream": "false"}
        answer = await http.post("/teams/media-team/runs", data=fields, files=parts)
    equal(answer.status_code, 200)
    equal(answer.json()["content"], f"Leader: Seen: image {len(PNG)}; seer: Seen: image {len(PNG)}")


if __name__ == "__main__":
    main(generation=int(version("agno").split(".")[0]))

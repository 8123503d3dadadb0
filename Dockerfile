# An image of the environment for clusters and Kubernetes; the workflow itself stays in the working directory.
#   docker build --tag veracity . && apptainer build veracity.sif docker-daemon://veracity:latest
FROM python:3.11-slim
WORKDIR /opt/veracity
COPY pyproject.toml constraints.txt README.md ./
COPY veracity veracity
RUN pip install --no-cache-dir --constraint constraints.txt --editable ".[workflow]"
